"""Which importers at Persona may belong to a batch in doubt."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers.forwarding import recovery
from importers.gateway import client
from importers.local_persona import LocalPersona
from importers.models import Attempt, Batch, Import
from tests.support.batches import the_only
from tests.support.forwarding import Clock, forward
from tests.support.recovery import ImportByOthers, is_imported_once, own_importers, recover
from tests.support.scripted_persona import PENDING, says
from tests.support.scripted_persona import importers as page_of

Make = Callable[..., Import]
State = Batch.State
INDEX = "GET /importers"


@pytest.mark.django_db
def test_importer_of_another_batch_is_no_candidate(
    persona: LocalPersona, make_import: Make, in_doubt: Make
) -> None:
    other = make_import(first_seed=10)
    forward()
    sent = in_doubt(made=False)
    recover()
    assert the_only(sent).problem == "not_arrived"
    forward()
    assert is_imported_once(persona, sent)
    assert is_imported_once(persona, other)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "problem"),
    [("importer/account", "not_arrived"), ("importer/list-item/face", ""),
     ("importer/face", "")],
)  # fmt: skip
def test_only_importers_of_faces_are_candidates(
    in_doubt: Make, clock: Clock, settings: Settings, kind: str, problem: str
) -> None:
    sent = in_doubt(made=True)
    body = page_of(kind)
    moment = the_only(sent).sends.get().began_at
    body["data"][0]["attributes"] = PENDING | {"created-at": moment.isoformat()}
    with says("200 OK", body) as server:
        settings.PERSONA_BASE_URL = server.url
        recover()
    assert the_only(sent).problem == problem


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-3600, -20, 20, 7200])
def test_importer_of_another_time_is_no_candidate(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers, seconds: float
) -> None:
    import_by_others(seconds_from_now=-7200)
    sent = in_doubt(made=True)
    import_by_others(seconds_from_now=seconds)
    recover()
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-1, 1])
def test_importer_within_the_error_of_the_clocks_is_a_candidate(
    in_doubt: Make, import_by_others: ImportByOthers, seconds: float
) -> None:
    sent = in_doubt(made=True)
    import_by_others(seconds_from_now=seconds)
    recover()
    assert the_only(sent).problem == "ambiguous"


@pytest.mark.django_db
def test_importer_made_while_the_send_settled_is_a_candidate(
    in_doubt: Make, import_by_others: ImportByOthers
) -> None:
    """The connection had broken before Persona created it."""
    sent = in_doubt(made=False)
    minute = timedelta(minutes=1)
    Attempt.objects.update(
        began_at=F("began_at") - minute, ended_at=F("ended_at") - minute, settled_at=Now()
    )
    (late,) = import_by_others(images=3, seconds_from_now=-10)
    recover()
    assert the_only(sent).importer_id == late


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-3600, -50, 50, 3600])
def test_own_importer_is_found_if_clocks_differ(
    persona: LocalPersona, clock: Clock, in_doubt: Make, seconds: float
) -> None:
    clock.ahead = timedelta(seconds=seconds)
    sent = in_doubt(made=True)
    recover()
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


@pytest.mark.django_db
def test_importer_without_time_needs_a_person(in_doubt: Make, settings: Settings) -> None:
    sent = in_doubt(made=True)
    body = page_of("importer/list-item/face")
    body["data"][0]["attributes"] = {"status": "ready"}
    with says("200 OK", body) as server:
        settings.PERSONA_BASE_URL = server.url
        recover()
    batch = the_only(sent)
    assert batch.problem == "ambiguous"
    assert [row["created_at"] for row in batch.candidates] == [""]


@pytest.mark.django_db
def test_candidate_with_wrong_count_needs_a_person(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers
) -> None:
    sent = in_doubt(made=False)
    (theirs,) = import_by_others()
    recover()
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
    assert (batch.importer_id, batch.may_have_arrived) == ("", True)
    assert [row["id"] for row in batch.candidates] == [theirs]


@pytest.mark.django_db
def test_pending_candidate_is_adopted(persona: LocalPersona, in_doubt: Make) -> None:
    sent = in_doubt(made=True)
    persona.faults.inject("stuck", where=INDEX)
    recover()
    batch = the_only(sent)
    assert (batch.state, batch.persona_status) == (State.IMPORTING, "pending")
    assert own_importers(persona, sent) == [batch.importer_id]


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [-2, 25])
def test_own_importer_is_found_although_our_clock_was_set(
    persona: LocalPersona,
    clock: Clock,
    in_doubt: Make,
    import_by_others: ImportByOthers,
    hours: float,
) -> None:
    """Nothing tells which clock was wrong, so both readings of the interval count."""
    client.persona().importers_page()
    sent = in_doubt(made=True)
    set_by = timedelta(hours=hours)
    Attempt.objects.update(
        clock_ahead_least=F("clock_ahead_least") + set_by,
        clock_ahead_most=F("clock_ahead_most") + set_by,
        began_at=F("began_at") - set_by,
        ended_at=F("ended_at") - set_by,
        settled_at=Now() - timedelta(seconds=1),
    )
    recover()
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


class TestCounts:
    """An importer with the counts of another number of images."""

    @pytest.fixture
    def counts_add_up(
        self, make_import: Make, persona: LocalPersona, settings: Settings
    ) -> Callable[[int], None]:
        """Has Persona count the images of so many batches."""

        def send(batches: int) -> None:
            most, settings.BATCH_MAX_IMAGES = settings.BATCH_MAX_IMAGES, 1
            make_import(images=batches, first_seed=10)
            forward()
            settings.BATCH_MAX_IMAGES = most

        return send

    def test_two_batches_are_not_enough_to_trust_them(
        self,
        counts_add_up: Callable[[int], None],
        in_doubt: Make,
        import_by_others: ImportByOthers,
    ) -> None:
        counts_add_up(2)
        sent = in_doubt(made=False)
        import_by_others()
        recover()
        assert the_only(sent).problem == "ambiguous"

    def test_it_is_excluded_once_counts_have_added_up(
        self,
        persona: LocalPersona,
        counts_add_up: Callable[[int], None],
        in_doubt: Make,
        import_by_others: ImportByOthers,
    ) -> None:
        counts_add_up(3)
        sent = in_doubt(made=True)
        import_by_others()
        recover()
        assert own_importers(persona, sent) == [the_only(sent).importer_id]

    def test_it_needs_a_person_if_counts_never_added_up(
        self,
        counts_add_up: Callable[[int], None],
        in_doubt: Make,
        import_by_others: ImportByOthers,
    ) -> None:
        counts_add_up(3)
        Batch.objects.filter(number=1).update(successful_count=2)
        sent = in_doubt(made=True)
        import_by_others()
        recover()
        assert the_only(sent).problem == "ambiguous"

    def test_they_are_awaited_while_they_may_decide(
        self,
        persona: LocalPersona,
        counts_add_up: Callable[[int], None],
        in_doubt: Make,
        import_by_others: ImportByOthers,
    ) -> None:
        counts_add_up(3)
        sent = in_doubt(made=True)
        import_by_others()
        persona.faults.inject("stuck", times=2, where=INDEX)
        recover(2)
        batch = the_only(sent)
        assert (batch.state, batch.problem_detail) == (
            State.UNKNOWN,
            "Waiting for Persona's counts.",
        )
        recover()
        assert own_importers(persona, sent) == [the_only(sent).importer_id]

    def test_they_are_not_awaited_for_ever(
        self,
        persona: LocalPersona,
        counts_add_up: Callable[[int], None],
        in_doubt: Make,
        import_by_others: ImportByOthers,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(recovery, "COUNTS_ARE_AWAITED", timedelta())
        counts_add_up(3)
        sent = in_doubt(made=True)
        import_by_others()
        persona.faults.inject("stuck", times=None, where=INDEX)
        recover()
        assert the_only(sent).problem == "ambiguous"
