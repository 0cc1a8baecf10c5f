"""Queries that run all the time, compiled once, because compiling takes longer than running."""

from typing import Any

from django.db.models import QuerySet


def by_key(rows: QuerySet[Any, Any]) -> tuple[str, list[Any]]:
    """Return SQL that reads one of the rows, and its parameters except the last, the primary key.

    The rows must not depend on when or for whom this is called.
    """
    sql, parameters = rows.filter(pk=0).order_by().query.sql_with_params()
    return sql, list(parameters[:-1])
