"""The history: imports by filter, a page at a time, and the same rows as CSV."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.timezone import make_aware

from importers.models import FaceList, Image, Import
from importers.models.imports import ImportQuerySet

PAGE_SIZE = 50
CSV_COLUMNS = (
    *("import", "list_id", "list_name", "environment", "created_by", "created_at", "state"),
    *("images", "left_out", "successful_count", "duplicate_count", "error_count"),
)
FORMULA_BEGINNINGS = tuple("=+-@\t\r\n＝＋－＠")


@dataclass(frozen=True)
class Filter:
    """Each that is not None narrows the history; `since` and `until` are days, both included."""

    q: str | None = None
    state: str | None = None
    face_list: FaceList | None = None
    person: Any | None = None
    since: date | None = None
    until: date | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in vars(self).values())

    def apply(self, imports: ImportQuerySet) -> ImportQuerySet:
        if self.q:
            named = Image.objects.filter(
                face_import=OuterRef("pk"), original_name__icontains=self.q
            )
            imports = imports.filter(Exists(named))
        if self.state:
            imports = imports.filter(state=self.state)
        if self.face_list:
            imports = imports.filter(face_list=self.face_list)
        if self.person:
            imports = imports.filter(created_by=self.person)
        if self.since:
            imports = imports.filter(created_at__gte=_moment(self.since, time.min))
        if self.until:
            imports = imports.filter(created_at__lte=_moment(self.until, time.max))
        return imports


@dataclass(frozen=True)
class Page:
    """Imports, newest first; `older` and `newer` are the cursors of the pages beside it."""

    imports: list[Import]
    older: int | None
    newer: int | None


def page(imports: ImportQuerySet, *, before: int | None, after: int | None) -> Page:
    """The page of imports older than `before`, or newer than `after`, or the newest."""
    rows = imports.with_totals().select_related("face_list", "created_by")
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: PAGE_SIZE + 1])
        more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE][::-1]
        return Page(found, found[-1].pk if found else None, found[0].pk if more else None)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    newer = found[0].pk if found and before is not None else None
    return Page(found, found[-1].pk if more else None, newer)


def csv_lines(imports: QuerySet[Import]) -> Iterator[str]:
    """The rows as CSV, line by line, with no cell that a spreadsheet would run as a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(CSV_COLUMNS)
    rows = imports.with_totals().select_related("face_list", "created_by").order_by("-pk")  # type: ignore[attr-defined]
    for row in rows.iterator(chunk_size=500):
        yield writer.writerow([_harmless(cell) for cell in _cells(row)])


def _cells(row: Any) -> list[object]:
    return [
        row.pk,
        row.face_list.persona_id,
        row.face_list.name,
        row.face_list.environment,
        row.created_by.get_username(),
        row.created_at.isoformat(timespec="seconds"),
        row.state,
        *(row.images, row.left_out, row.successful_count, row.duplicate_count, row.error_count),
    ]


def _harmless(cell: object) -> object:
    """OWASP, CSV injection: a leading quote keeps a cell text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_BEGINNINGS) else cell


def _moment(day: date, at: time) -> datetime:
    return make_aware(datetime.combine(day, at))


class _Echo:
    """A file that hands back what is written to it, for csv.writer to stream through."""

    def write(self, line: str) -> str:
        return line
