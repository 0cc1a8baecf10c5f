"""The time left: a range from what was observed, and nothing where nothing can be told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import Settings

from importers import estimate, pacing, progress
from importers.audit import Actor
from importers.estimate import TimeLeft
from importers.models import Batch, Environment, FaceList, Import, PersonaLine, Worker
from importers.pacing import Share
from tests.support.attestations import submit

Make = Callable[..., Import]
State = Batch.State
LOCAL = Environment.LOCAL


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


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
def test_a_range_is_said_in_whole_units_never_too_short(
    least: float, most: float, words: str
) -> None:
    assert str(TimeLeft(seconds(least), seconds(most))) == words


@pytest.mark.parametrize(
    ("taken", "requests", "wait"),
    [(0, 150, 0), (0, 151, 40), (140, 10, 0), (140, 11, 40), (150, 150, 40), (150, 151, 100)],
)
def test_our_share_lets_so_many_out_in_each_window(taken: int, requests: int, wait: float) -> None:
    share = Share(taken, allowed=150, limit=300, free_in=seconds(40))
    assert estimate.at_our_share(share, requests) == seconds(wait)


@pytest.mark.django_db
class TestAnImport:
    @pytest.fixture
    def sent(
        self, make_draft: Make, face_list: FaceList, actor: Actor, settings: Settings
    ) -> Import:
        """Ten batches of one image; nothing went out yet."""
        settings.BATCH_MAX_IMAGES = 1
        Worker.objects.create(name="a worker")
        return submit(make_draft(face_list, images=10), actor)

    def took(self, sent: Import, number: int, *, begun: float, took: float | None) -> None:
        """The batch was sent and accepted `begun` seconds ago; ended `took` later, if at all."""
        accepted = datetime.now(UTC) - seconds(begun)
        sent.batches.filter(number=number).update(
            state=State.IMPORTING if took is None else State.DONE,
            importer_id=f"mprt_{sent.pk}_{number}",
            first_sent_at=accepted,
            accepted_at=accepted,
            finished_at=None if took is None else accepted + seconds(took),
        )

    def left(self, sent: Import) -> TimeLeft | None:
        return progress.of_import(Import.objects.get(pk=sent.pk)).time_left

    def test_of_which_nothing_was_observed_says_nothing(self, sent: Import) -> None:
        assert self.left(sent) is None
        self.took(sent, 1, begun=10, took=None)
        assert self.left(sent) is None

    def test_goes_on_at_its_pace_at_most_and_at_our_share_at_least(self, sent: Import) -> None:
        self.took(sent, 1, begun=300, took=5)
        self.took(sent, 2, begun=0, took=None)
        self.took(sent, 3, begun=0, took=12)
        left = self.left(sent)
        assert left is not None
        assert left.least == seconds(5)
        assert left.most.total_seconds() == pytest.approx(100 * 7 + 12, abs=1)

    def test_waits_for_other_imports_before_it(
        self, sent: Import, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        later = submit(make_draft(face_list, images=2, first_seed=50), actor)
        self.took(later, 1, begun=60, took=5)
        left = self.left(later)
        assert left is not None
        assert left.most.total_seconds() == pytest.approx(0 * 11 + 5, abs=1)
        Batch.objects.filter(face_import=later, number=1).update(
            first_sent_at=datetime.now(UTC) - seconds(70)
        )
        left = self.left(later)
        assert left is not None
        assert left.most.total_seconds() == pytest.approx(10 * 11 + 5, abs=1)

    def test_is_not_faster_than_our_share_even_at_most(
        self, sent: Import, settings: Settings
    ) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        self.took(sent, 1, begun=0, took=5)
        pacing.take(LOCAL)
        left = self.left(sent)
        assert left is not None
        assert left.least.total_seconds() == pytest.approx(60 + 60 + 60 + 5, abs=1)
        assert left.most >= left.least

    def test_whose_last_batches_are_at_persona_waits_as_long_as_others_took(
        self, sent: Import
    ) -> None:
        for number in range(1, 10):
            self.took(sent, number, begun=500, took=30 * number)
        self.took(sent, 10, begun=20, took=None)
        left = self.left(sent)
        assert left is not None
        assert left.least.total_seconds() == pytest.approx(10, abs=1)
        assert left.most.total_seconds() == pytest.approx(250, abs=1)
        self.took(sent, 10, begun=280, took=None)
        assert self.left(sent) is None, "it takes longer than any did"

    def test_is_not_said_to_take_as_long_as_the_slowest_one_of_many(
        self, sent: Import, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        for number in range(1, 11):
            self.took(sent, number, begun=9000, took=8000 if number == 3 else 20)
        later = submit(make_draft(face_list, images=1, first_seed=50), actor)
        self.took(later, 1, begun=5, took=None)
        left = self.left(later)
        assert left is not None
        assert left.most.total_seconds() == pytest.approx(15, abs=1)

    def test_of_which_an_answer_was_lost_says_nothing(self, sent: Import) -> None:
        self.took(sent, 1, begun=10, took=5)
        batch = sent.batches.get(number=2)
        batch.lend("a worker", pacing.after(seconds(45)), looks=False)
        assert self.left(sent) is not None
        sent.batches.filter(number=2).update(state=State.UNKNOWN)
        assert self.left(sent) is None

    def test_that_is_held_up_says_nothing(self, sent: Import) -> None:
        self.took(sent, 1, begun=10, took=5)
        PersonaLine.objects.create(environment=LOCAL, problem="unreachable")
        assert self.left(sent) is None

    def test_shows_it_on_its_page_with_the_share_in_use(
        self, sent: Import, signed_in: Client
    ) -> None:
        self.took(sent, 1, begun=70, took=5)
        pacing.take(LOCAL)
        page = signed_in.get(f"/imports/{sent.pk}/").content.decode()
        assert "Time left: less than a minute." in page
        assert "1 of our 150 requests to Persona were used within the last minute" in page
        assert "1 of our 150 requests" in signed_in.get("/").content.decode()

    def test_whose_page_is_up_to_date_gets_the_pace_alone(
        self, sent: Import, signed_in: Client
    ) -> None:
        version = progress.of_import(sent).version
        answer = signed_in.get(f"/imports/{sent.pk}/progress/?seen={version}")
        assert answer.headers["HX-Reswap"] == "none"
        page = answer.content.decode()
        assert '<p id="pace" class="help" hx-swap-oob="true">' in page
        assert "<table" not in page
