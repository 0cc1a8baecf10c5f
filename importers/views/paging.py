"""The cursors in the address of a page (`reporting.paging`)."""

from django.http import HttpRequest

CURSORS = ("before", "after")


def cursors(request: HttpRequest) -> dict[str, int | None]:
    return {name: _number(request.GET.get(name, "")) for name in CURSORS}


def query_without_cursors(request: HttpRequest) -> str:
    query = request.GET.copy()
    for name in CURSORS:
        query.pop(name, None)
    return query.urlencode()


def _number(value: str) -> int | None:
    # A longer number would be an error in the database.
    return int(value) if value.isdecimal() and len(value) < 19 else None
