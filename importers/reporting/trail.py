"""The audit trail as people read it: its rows by filter, a page at a time, and the same as CSV."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from django.db.models import QuerySet

from importers.audit.actors import NOBODY, OPERATOR, SINGLE_SIGN_ON, WORKER
from importers.models import AuditEvent, Right
from importers.reporting import objects, paging, spreadsheet
from importers.reporting.acts import WORDS
from importers.reporting.objects import Named, Thing
from importers.reporting.paging import Page
from importers.reporting.periods import end_of, start_of

# Who acts without an account.
OTHERS = {
    WORKER.name: "The worker",
    OPERATOR.name: "An operator",
    NOBODY: "Nobody signed in",
    SINGLE_SIGN_ON: "Single sign-on",
}
CSV_COLUMNS = (
    *("row", "at", "account_id", "person", "address", "action", "object_type", "object_id"),
    *("details", "previous_hash", "hash"),
)
# The clocks of several servers differ, so the moments of the rows are not quite in their order.
MOST_SKEW = timedelta(hours=1)
SHA256 = re.compile(r"[0-9a-f]{64}")
LABELS = {"face_import": "Import"}
HASH_SHOWN, VALUES_SHOWN = 12, 5


@dataclass(frozen=True)
class Filter:
    """Each that is set narrows the trail; `since` and `until` are days, both included."""

    person: str = ""  # the number of an account, or one of OTHERS
    action: str = ""
    object: Thing | None = None
    since: date | None = None
    until: date | None = None

    def __bool__(self) -> bool:
        return any(vars(self).values())

    @property
    def on_record(self) -> dict[str, str]:
        """The filters in use, as the trail itself keeps them."""
        return {name: str(value) for name, value in vars(self).items() if value}

    def apply(self, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Narrow the rows by all but the period."""
        if self.person in OTHERS:
            rows = rows.filter(actor__isnull=True, actor_name=self.person)
        elif self.person:
            rows = rows.filter(actor=int(self.person))
        if self.action:
            rows = rows.filter(action=self.action)
        if self.object:
            rows = rows.filter(object_type=self.object.type, object_id=self.object.id)
        return rows


class Row(NamedTuple):
    event: AuditEvent
    words: str
    object: Named | None
    facts: list[tuple[str, str]]


def page(
    chosen: Filter, *, before: int | None = None, after: int | None = None
) -> Page[AuditEvent]:
    rows, between = (
        chosen.apply(_at(chosen.since, chosen.until)),
        _between(chosen.since, chosen.until),
    )
    return paging.page(rows, before=before, after=after, between=between)


def within(since: date | None, until: date | None) -> QuerySet[AuditEvent]:
    """Return the rows of these days."""
    above, below = _between(since, until)
    return _at(since, until).filter(pk__gt=above, pk__lt=below)


def rows(events: list[AuditEvent], rights: frozenset[Right]) -> list[Row]:
    """Return the rows in words, with links to what the reader may see."""
    names = objects.named(events, rights)
    return [
        Row(
            event,
            WORDS.get(event.action, event.action),
            names.get(Thing(event.object_type, event.object_id)),
            [
                (_label(name), _value(value))
                for name, value in event.details.items()
                if value not in ({}, [])
            ],
        )
        for event in events
    ]


def csv_lines(chosen: Filter) -> Iterator[str]:
    events = (
        chosen.apply(within(chosen.since, chosen.until)).order_by("-pk").iterator(chunk_size=500)
    )
    return spreadsheet.lines(CSV_COLUMNS, map(_cells, events))


def _at(since: date | None, until: date | None) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.all()
    if since:
        rows = rows.filter(at__gte=start_of(since))
    return rows.filter(at__lte=end_of(until)) if until else rows


def _between(since: date | None, until: date | None) -> tuple[int, int]:
    """Return two rows between which all rows of these days are.

    Every index of another filter is in the order of the rows, so with them it reads no others.
    """
    above, below = paging.EVERY_KEY
    rows = AuditEvent.objects.values_list("pk", flat=True)
    if since:
        before = rows.filter(at__lt=_moved(start_of(since), -MOST_SKEW))
        above = before.order_by("-at").first() or above
    if until:
        after = rows.filter(at__gt=_moved(end_of(until), MOST_SKEW))
        below = after.order_by("at").first() or below
    return above, below


def _cells(event: AuditEvent) -> list[object]:
    return [
        event.pk,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),  # as in the hash
        event.actor_id,
        event.actor_name,
        event.address,
        event.action,
        event.object_type,
        event.object_id,
        json.dumps(event.details, sort_keys=True, ensure_ascii=False),
        event.previous_hash,
        event.hash,
    ]


def _label(name: str) -> str:
    label = LABELS.get(name) or name.replace("_", " ").capitalize()
    return label.replace("sha256", "SHA-256").replace("Sha256", "SHA-256")


def _value(value: object) -> str:
    """Return a value of the details in words, the first few of many."""
    if isinstance(value, dict):
        parts = [f"{_label(str(key)).lower()} {_value(one)}" for key, one in value.items()]
    elif isinstance(value, list):
        parts = [_value(one) for one in value]
    else:
        text = str(value)
        return f"{text[:HASH_SHOWN]}…" if SHA256.fullmatch(text) else text or "–"
    more = len(parts) - VALUES_SHOWN
    shown = ", ".join(parts[:VALUES_SHOWN])
    return f"{shown} and {more:,} more" if more > 0 else shown


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # the first or the last day of the calendar
        return moment
