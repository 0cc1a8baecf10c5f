"""A database that fails at one kind of statement."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection


@contextmanager
def database_fails_at(step: str) -> Iterator[None]:
    """Let the database fail at this step, as it does when the disk is full."""

    def wrapper(execute: Callable[..., Any], sql: str, *others: Any) -> Any:
        if sql.startswith(step):
            raise DatabaseError("no room")
        return execute(sql, *others)

    with connection.execute_wrapper(wrapper):
        yield
