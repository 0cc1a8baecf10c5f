"""Who saw which faces between two dates, from the views that the audit trail records."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import batched
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from importers.audit.actions import Action
from importers.models import AuditEvent, Image
from importers.reporting import spreadsheet, trail
from importers.reporting.objects import Thing
from importers.reporting.periods import iso

# Two weeks of one person's daily work, or a year of most imports; read in about a second.
MOST_VIEWS = 100_000
CSV_COLUMNS = (
    *("account_id", "person", "import", "image", "image_number"),
    *("first_view", "last_view", "times"),
)


class TooMany(Exception):
    """More than MOST_VIEWS views match."""


@dataclass(frozen=True)
class Question:
    """Each that is set narrows it; `since` and `until` are days (UTC), both included."""

    person: str = ""  # the number of an account
    object: Thing | None = None  # an image, or an import
    since: date | None = None
    until: date | None = None

    @property
    def on_record(self) -> dict[str, str]:
        return {name: str(value) for name, value in vars(self).items() if value}


@dataclass
class Seen:
    """One face that one person saw, once or several times."""

    account_id: int
    person: str
    face_import: int
    image: int
    first: datetime
    last: datetime
    times: int = 0
    key: UUID | None = None  # none: the image was removed from its draft


class View(NamedTuple):
    """A row of the trail, and which images of an import it says that the person saw."""

    event: AuditEvent
    face_import: int
    images: list[int]


def answer(question: Question) -> list[Seen]:
    """Return a row for each person and image, in the order of imports and images.

    Raises TooMany.
    """
    found: dict[tuple[int, int], Seen] = {}
    read = 0
    for view in _views(question):
        read += max(1, len(view.images))
        if read > MOST_VIEWS:
            raise TooMany
        for image in view.images:
            _add(found, view, image)
    return sorted(found.values(), key=lambda seen: (seen.face_import, seen.image, seen.first))


def with_keys(rows: list[Seen]) -> list[Seen]:
    """Give these rows the keys of their images."""
    keys = dict(Image.objects.filter(pk__in={row.image for row in rows}).values_list("pk", "key"))
    for row in rows:
        row.key = keys.get(row.image)
    return rows


def csv_lines(seen: list[Seen]) -> Iterator[str]:
    rows = (row for some in batched(seen, 500) for row in with_keys([*some]))
    return spreadsheet.lines(CSV_COLUMNS, map(_cells, rows))


def _views(question: Question) -> Iterator[View]:
    rows = trail.within(question.since, question.until).order_by()
    if question.person:
        rows = rows.filter(actor=int(question.person))
    asked = question.object or Thing("", "")
    image = int(asked.id) if asked.type == "image" else None
    for event in _galleries(rows, asked).iterator(chunk_size=2_000):
        shown = event.details["images"]
        if image is not None:
            shown = [image] if image in shown else []
        yield View(event, int(event.object_id), shown)
    for event in _alone(rows, asked).iterator(chunk_size=2_000):
        yield View(event, event.details["face_import"], [int(event.object_id)])


def _galleries(rows: QuerySet[AuditEvent], asked: Thing) -> QuerySet[AuditEvent]:
    """Return the views of pages of images. Those of one image are among those of its import."""
    rows = rows.filter(action=Action.GALLERY_VIEWED)
    face_import: object = asked.id if asked.type == "import" else None
    if asked.type == "image":  # none if it was removed from its draft: then all are read
        image = Image.objects.filter(pk=asked.id)
        face_import = image.values_list("face_import", flat=True).first()
    if face_import is None:
        return rows
    return rows.filter(object_type="import", object_id=str(face_import))


def _alone(rows: QuerySet[AuditEvent], asked: Thing) -> QuerySet[AuditEvent]:
    rows = rows.filter(action=Action.FACE_VIEWED)
    if asked.type == "import":
        return rows.filter(details__face_import=int(asked.id))
    return rows.filter(object_type="image", object_id=asked.id) if asked.type else rows


def _add(found: dict[tuple[int, int], Seen], view: View, image: int) -> None:
    at, account = view.event.at, view.event.actor_id or 0
    seen = found.get((account, image))
    if seen is None:
        seen = Seen(account, view.event.actor_name, view.face_import, image, first=at, last=at)
        found[(account, image)] = seen
    seen.first, seen.last = min(seen.first, at), max(seen.last, at)
    seen.times += 1


def _cells(seen: Seen) -> list[object]:
    return [
        seen.account_id,
        seen.person,
        seen.face_import,
        seen.key or "",
        seen.image,
        iso(seen.first),
        iso(seen.last),
        seen.times,
    ]
