"""A page of rows, the newest first.

By cursor, not by offset: an old page is as fast as the first, and new rows shift nothing.
"""

from dataclasses import dataclass

from django.db.models import Model, QuerySet

PAGE_SIZE = 50
EVERY_KEY = (0, 2**63 - 1)


@dataclass(frozen=True)
class Page[Row: Model]:
    """Rows, newest first; `older` and `newer` are the cursors of the pages beside it."""

    rows: list[Row]
    older: int | None
    newer: int | None
    is_partial: bool


def page[Row: Model](
    rows: QuerySet[Row],
    *,
    before: int | None = None,
    after: int | None = None,
    between: tuple[int, int] = EVERY_KEY,
) -> Page[Row]:
    """Return the page of rows older than `before`, or newer than `after`, or the newest.

    A caller that knows that all rows are `between` two keys says so, and each end stays one
    condition: given two, SQLite reads from the wrong one.
    """
    (above, below), is_upwards = between, after is not None
    if after is not None:
        above = max(after, above)
    elif before is not None:
        below = min(before, below)
    keys = rows.filter(pk__gt=above, pk__lt=below).values_list("pk", flat=True)
    # The keys first: where an index holds all that they are found by, PostgreSQL then prefers it.
    found = list(keys.order_by("pk" if is_upwards else "-pk")[: PAGE_SIZE + 1])
    more, found = len(found) > PAGE_SIZE, sorted(found[:PAGE_SIZE], reverse=True)
    by_key = rows.in_bulk(found)
    has_older = bool(found) and (is_upwards or more)
    has_newer = bool(found) and (more if is_upwards else before is not None)
    return Page(
        [by_key[key] for key in found if key in by_key],
        older=found[-1] if has_older else None,
        newer=found[0] if has_newer else None,
        is_partial=is_upwards or before is not None,
    )
