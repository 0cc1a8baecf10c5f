"""Acts that are recorded once, however often they are repeated within ten minutes."""

from datetime import UTC, datetime, tzinfo

import pytest

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import AuditEvent, FaceList, Person

pytestmark = pytest.mark.django_db


class Clock(datetime):
    """What the trail reads instead of the time of day."""

    shown = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return cls.shown


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "datetime", Clock)


def read_at(monkeypatch: pytest.MonkeyPatch, actor: Actor, *times: str) -> int:
    """Read the record at each time, and return how many rows that makes."""
    for time in times:
        monkeypatch.setattr(Clock, "shown", datetime.fromisoformat(f"{time}+00:00"))
        trail.append_once(actor, Action.RECORD_VIEWED)
    return AuditEvent.objects.count()


@pytest.mark.parametrize(
    ("first", "second", "rows"),
    [
        ("2026-12-01T12:00:00", "2026-12-01T12:10:00", 1),
        ("2026-12-01T12:00:00", "2026-12-01T12:10:01", 2),
        ("2026-11-30T23:59:59", "2026-12-01T00:00:00", 2),
        ("2026-12-01T00:00:00", "2026-12-01T00:00:01", 1),
    ],
)
def test_repetition_counts_once_within_ten_minutes_of_a_day(
    first: str, second: str, rows: int, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_at(monkeypatch, actor, first, second) == rows


def test_another_person_act_object_or_detail_is_recorded(actor: Actor, face_list: FaceList) -> None:
    colleague = Person.objects.create_user("approver")
    second = Actor.of_user(colleague, address="192.0.2.8", sign_in_method="")
    for _ in range(2):
        trail.append_once(actor, Action.RECORD_VIEWED)
        trail.append_once(second, Action.RECORD_VIEWED)
        trail.append_once(actor, Action.RECORDS_SEARCHED)
        trail.append_once(actor, Action.RECORD_VIEWED, face_list)
        trail.append_once(actor, Action.RECORD_VIEWED, days=["2026-12-01"])
    assert AuditEvent.objects.count() == 5
