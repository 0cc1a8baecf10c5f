"""The estimate of the time left: a range from what was observed, or none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding import estimate, progress
from importers.forwarding.estimate import TimeLeft
from importers.gateway.rate_limit import Budget
from importers.models import Attempt, Batch, Environment, FaceList, Gateway, Import, Worker, clock
from tests.support.attestations import submit
from tests.support.forwarding import share_is_used

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State
LOCAL = Environment.LOCAL


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.fixture
def sent(make_draft: Make, face_list: FaceList, actor: Actor, settings: Settings) -> Import:
    """An import of ten batches with one image each, none sent yet."""
    settings.BATCH_MAX_IMAGES = 1
    Worker.objects.create(name="a worker")
    return submit(make_draft(face_list, images=10), actor)


def record_times(sent: Import, number: int, *, accepted_ago: float, lasted: float | None) -> None:
    """Store that the batch was accepted so many seconds ago and ended `lasted` later, if at all."""
    accepted = datetime.now(UTC) - seconds(accepted_ago)
    sent.batches.filter(number=number).update(
        state=State.IMPORTING if lasted is None else State.DONE,
        importer_id=f"mprt_{sent.pk}_{number}",
        accepted_at=accepted,
        finished_at=None if lasted is None else accepted + seconds(lasted),
    )
    batch = sent.batches.get(number=number)
    Attempt.objects.filter(batch=batch).delete()
    Attempt.objects.create(batch=batch, key=uuid4(), began_at=accepted)


def time_left(sent: Import) -> TimeLeft | None:
    return progress.of_import(Import.objects.get(pk=sent.pk)).time_left


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (0, 20, "less than a minute"),
        (0, 60, "less than a minute"),
        (0, 61, "up to 2 minutes"),
        (59, 150, "up to 3 minutes"),
        (60, 150, "1 to 3 minutes"),
        (120, 120, "about 2 minutes"),
        (60, 89 * 60, "1 to 89 minutes"),
        (3600, 5 * 3600 + 1, "1 to 6 hours"),
        (600, 3 * 3600, "up to 3 hours"),
    ],
)
def test_time_left_is_rounded_up_to_whole_units(least: float, most: float, words: str) -> None:
    assert str(TimeLeft(seconds(least), seconds(most))) == words


@pytest.mark.parametrize(
    ("used", "requests", "wait"),
    [(0, 150, 0), (0, 151, 40), (140, 10, 0), (140, 11, 40), (150, 150, 40), (150, 151, 100)],
)
def test_budget_limits_requests_per_window(used: int, requests: int, wait: float) -> None:
    share = Budget(used, allowed=150, limit=300, free_in=seconds(40))
    assert estimate.within_budget(share, requests) == seconds(wait)


def test_no_estimate_before_a_batch_has_ended(sent: Import) -> None:
    assert time_left(sent) is None
    record_times(sent, 1, accepted_ago=10, lasted=None)
    assert time_left(sent) is None


def test_estimate_ranges_from_budget_to_pace(sent: Import) -> None:
    record_times(sent, 1, accepted_ago=300, lasted=5)
    record_times(sent, 2, accepted_ago=0, lasted=None)
    record_times(sent, 3, accepted_ago=0, lasted=12)
    left = time_left(sent)
    assert left is not None
    assert left.least == seconds(5)
    assert left.most.total_seconds() == pytest.approx(100 * 7 + 12, abs=1)


def test_estimate_includes_the_imports_ahead(
    sent: Import, make_draft: Make, face_list: FaceList, actor: Actor
) -> None:
    later = submit(make_draft(face_list, images=2, first_seed=50), actor)
    record_times(later, 1, accepted_ago=60, lasted=5)
    left = time_left(later)
    assert left is not None
    assert left.most.total_seconds() == pytest.approx(0 * 11 + 5, abs=1)
    Attempt.objects.filter(batch__face_import=later).update(
        began_at=datetime.now(UTC) - seconds(70)
    )
    left = time_left(later)
    assert left is not None
    assert left.most.total_seconds() == pytest.approx(10 * 11 + 5, abs=1)


def test_estimate_is_never_faster_than_the_budget(sent: Import, settings: Settings) -> None:
    settings.PERSONA_RATE_SHARE = 0.01
    record_times(sent, 1, accepted_ago=0, lasted=5)
    share_is_used(1)
    left = time_left(sent)
    assert left is not None
    assert left.least.total_seconds() == pytest.approx(60 + 60 + 60 + 5, abs=1)
    assert left.most >= left.least


def test_last_batch_is_estimated_from_the_others(sent: Import) -> None:
    for number in range(1, 10):
        record_times(sent, number, accepted_ago=500, lasted=30 * number)
    record_times(sent, 10, accepted_ago=20, lasted=None)
    left = time_left(sent)
    assert left is not None
    assert left.least.total_seconds() == pytest.approx(10, abs=1)
    assert left.most.total_seconds() == pytest.approx(250, abs=1)
    record_times(sent, 10, accepted_ago=280, lasted=None)
    assert time_left(sent) is None, "it takes longer than any other did"


def test_one_slow_batch_does_not_skew_the_estimate(
    sent: Import, make_draft: Make, face_list: FaceList, actor: Actor
) -> None:
    for number in range(1, 11):
        record_times(sent, number, accepted_ago=9000, lasted=8000 if number == 3 else 20)
    later = submit(make_draft(face_list, images=1, first_seed=50), actor)
    record_times(later, 1, accepted_ago=5, lasted=None)
    left = time_left(later)
    assert left is not None
    assert left.most.total_seconds() == pytest.approx(15, abs=1)


def test_no_estimate_with_a_batch_in_doubt(sent: Import) -> None:
    record_times(sent, 1, accepted_ago=10, lasted=5)
    batch = sent.batches.get(number=2)
    batch.lend("a worker", clock.from_now(seconds(45)))
    assert time_left(sent) is not None
    sent.batches.filter(number=2).update(state=State.UNKNOWN)
    assert time_left(sent) is None


def test_no_estimate_while_the_breaker_is_open(sent: Import) -> None:
    record_times(sent, 1, accepted_ago=10, lasted=5)
    Gateway.objects.create(environment=LOCAL, problem="unreachable", reads_fail=True)
    assert time_left(sent) is None


def test_pages_show_time_left_and_api_usage(sent: Import, signed_in: Client) -> None:
    record_times(sent, 1, accepted_ago=70, lasted=5)
    share_is_used(1)
    page = signed_in.get(f"/imports/{sent.pk}/").content.decode()
    assert "Time left: less than a minute." in page
    assert "API usage: 1 of 150 per minute." in page
    assert "API usage: 1 of 150" in signed_in.get("/").content.decode()
