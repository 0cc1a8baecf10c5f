"""The history: imports by filter, a page at a time, and the same rows as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from importers.models import Batch, FaceList, Import
from importers.models.imports import OWNER
from importers.reporting import paging, spreadsheet
from importers.reporting.paging import Page
from importers.reporting.periods import end_of, iso, start_of

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
            imports = imports.filter(created_at__gte=start_of(self.since))
        if self.until:
            imports = imports.filter(created_at__lte=end_of(self.until))
        return imports


def page(imports: QuerySet[Import], *, before: int | None, after: int | None) -> Page[Import]:
    troubled = Batch.objects.filter(face_import=OuterRef("pk")).troubled()
    rows = imports.select_related("face_list", "created_by", "handed_to")
    # The attribute's default is for imports that are shown elsewhere.
    rows = rows.annotate(is_troubled=Exists(troubled))  # type: ignore[no-redef]
    return paging.page(rows, before=before, after=after)


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
        iso(row.created_at),
        row.state,
        row.image_count,
        row.left_out_count,
        row.successful_count,
        row.duplicate_count,
        row.error_count,
    ]
