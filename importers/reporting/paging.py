"""A page of rows, the newest first.

By cursor, not by offset: an old page is as fast as the first, and new rows shift nothing.
"""

from dataclasses import dataclass

from django.db.models import Model, QuerySet

PAGE_SIZE = 50


@dataclass(frozen=True)
class Page[Row: Model]:
    """Rows, newest first; `older` and `newer` are the cursors of the pages beside it."""

    rows: list[Row]
    older: int | None
    newer: int | None
    is_partial: bool


def page[Row: Model](
    rows: QuerySet[Row], *, before: int | None = None, after: int | None = None
) -> Page[Row]:
    """Return the page of rows older than `before`, or newer than `after`, or the newest."""
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: PAGE_SIZE + 1])
        more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE][::-1]
        older = found[-1].pk if found else None
        return Page(found, older, found[0].pk if more else None, is_partial=True)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    is_partial = before is not None
    newer = found[0].pk if found and is_partial else None
    return Page(found, found[-1].pk if more else None, newer, is_partial)
