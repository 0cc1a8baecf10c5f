"""The history: imports by filter, a page at a time, and the same rows as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.timezone import make_aware

from importers.models import Batch, FaceList, Import
from importers.models.imports import OWNER
from importers.reporting import spreadsheet

PAGE_SIZE = 50
CSV_COLUMNS = (
    *("import", "list_id", "list_name", "environment", "created_by", "created_at", "state"),
    *("images", "left_out", "successful_count", "duplicate_count", "error_count"),
)
COMPLETED_WITH_ERRORS = "completed_with_errors"  # no state of its own: see Import.label


@dataclass(frozen=True)
class Filter:
    """Each that is not None narrows the history; `since` and `until` are days, both included."""

    state: str | None = None
    face_list: FaceList | None = None
    person: Any | None = None
    since: date | None = None
    until: date | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in vars(self).values())

    @property
    def on_record(self) -> dict[str, str]:
        """The filters in use, as the audit trail keeps them."""
        used = {name: value for name, value in vars(self).items() if value is not None}
        return {name: str(getattr(value, "pk", value)) for name, value in used.items()}

    def apply(self, imports: QuerySet[Import]) -> QuerySet[Import]:
        if self.state == COMPLETED_WITH_ERRORS:
            imports = imports.filter(error_count__gt=0, state=Import.State.COMPLETED)
        elif self.state:
            imports = imports.filter(state=self.state)
        if self.face_list:
            imports = imports.filter(face_list=self.face_list)
        if self.person:
            imports = imports.alias(owner=OWNER).filter(owner=self.person.pk)
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
    is_partial: bool


def page(imports: QuerySet[Import], *, before: int | None, after: int | None) -> Page:
    """Return the page of imports older than `before`, or newer than `after`, or the newest."""
    # By cursor, not by offset: an old page is as fast as the first, and new imports shift nothing.
    troubled = Batch.objects.filter(face_import=OuterRef("pk")).troubled()
    rows = imports.select_related("face_list", "created_by", "handed_to")
    # The attribute's default is for imports that are shown elsewhere.
    rows = rows.annotate(is_troubled=Exists(troubled))  # type: ignore[no-redef]
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


def csv_lines(imports: QuerySet[Import]) -> Iterator[str]:
    rows = imports.select_related("face_list", "created_by").order_by("-pk")
    return spreadsheet.lines(CSV_COLUMNS, map(_cells, rows.iterator(chunk_size=500)))


def _cells(row: Any) -> list[object]:
    return [
        row.pk,
        row.face_list.persona_id,
        row.face_list.name,
        row.face_list.environment,
        row.created_by.get_username(),
        row.created_at.isoformat(timespec="seconds"),
        row.state,
        row.image_count,
        row.left_out_count,
        row.successful_count,
        row.duplicate_count,
        row.error_count,
    ]


def _moment(day: date, at: time) -> datetime:
    return make_aware(datetime.combine(day, at))
