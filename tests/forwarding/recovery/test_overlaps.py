"""Several batches in doubt at the same time are weighed together."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding import control, recovery
from importers.local_persona import LocalPersona
from importers.models import Attempt, Batch, Import
from tests.support.batches import die_while_sending, keys, sends, the_only
from tests.support.forwarding import Clock, forward, time_passes
from tests.support.recovery import ImportByOthers, importer_requests, is_imported_once, recover

Make = Callable[..., Import]
State = Batch.State
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("one_made", "other_made"), [(True, False), (False, True)])
def test_two_batches_for_one_importer_need_a_person(
    persona: LocalPersona, in_doubt: Make, one_made: bool, other_made: bool
) -> None:
    both = [in_doubt(made=one_made), in_doubt(made=other_made, first_seed=10)]
    recover()
    made = {entry.importer_id for entry in persona.ledger()}
    assert len(made) == 1
    for sent in both:
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
        assert {row["id"] for row in batch.candidates} == made
    assert len(sends(persona)) == 2
    assert importer_requests(persona) == 1


def test_two_batches_for_two_importers_have_both_arrived(
    persona: LocalPersona, in_doubt: Make
) -> None:
    """Nothing tells whose is which, and each batch says so."""
    both = [in_doubt(made=True), in_doubt(made=True, first_seed=10)]
    recover()
    made = sorted(entry.importer_id for entry in persona.ledger())
    batches = [the_only(sent) for sent in both]
    assert [batch.state for batch in batches] == [State.IMPORTING] * 2
    assert sorted(batch.importer_id for batch in batches) == made
    assert [sorted(batch.importer_among) for batch in batches] == [made] * 2
    forward()
    assert [the_only(sent).state for sent in both] == [State.DONE] * 2
    assert len(sends(persona)) == 2


def test_two_missing_batches_are_both_sent_again(persona: LocalPersona, in_doubt: Make) -> None:
    both = [in_doubt(made=False), in_doubt(made=False, first_seed=10)]
    recover()
    assert importer_requests(persona) == 1
    forward()
    assert [is_imported_once(persona, sent) for sent in both] == [True, True]
    assert len(set(keys(persona))) == 4


def test_batches_sent_at_other_times_do_not_overlap(
    persona: LocalPersona, clock: Clock, in_doubt: Make
) -> None:
    minute = timedelta(minutes=1)
    clock.ahead = -minute
    one = in_doubt(made=True)
    clock.ahead = timedelta()
    Attempt.objects.update(
        began_at=F("began_at") - minute, ended_at=F("ended_at") - minute, settled_at=Now() - minute
    )
    other = in_doubt(made=False, first_seed=10)
    recover()
    assert (the_only(one).state, the_only(one).importer_among) == (State.IMPORTING, [])
    assert the_only(other).problem == "not_arrived"


def test_batch_that_is_recovered_after_its_group_shares_its_alternatives(
    persona: LocalPersona, in_doubt: Make, actor: Actor
) -> None:
    failed, sent = in_doubt(made=True), in_doubt(made=True, first_seed=10)
    failed.batches.update(state=State.FAILED, problem="image_missing", recover_first=False)
    recover()
    assert control.retry(failed, actor) == 1
    recover()
    made = sorted(entry.importer_id for entry in persona.ledger())
    assert sorted(the_only(sent).importer_among) == made
    assert sorted(the_only(failed).importer_among) == made


class TestSameKeyAgain:
    """An ambiguous batch is sent again under its key, as long as that may tell."""

    @pytest.mark.parametrize("problem", ["no_answer", "gateway_trouble", "conflict"])
    def test_replay_shows_that_the_batch_arrived(
        self, persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers, problem: str
    ) -> None:
        sent = in_doubt(made=True)
        import_by_others()
        sent.batches.update(problem=problem)
        recover()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.UNKNOWN, problem)
        assert not batch.recover_first
        forward()
        assert is_imported_once(persona, sent)
        assert len(set(keys(persona))) == 2, "one is the others'"

    def test_other_batches_wait_for_what_it_tells(
        self, persona: LocalPersona, in_doubt: Make
    ) -> None:
        made, missing = in_doubt(made=True), in_doubt(made=False, first_seed=10)
        made.batches.update(problem="no_answer")
        recover()
        assert (the_only(missing).state, the_only(missing).recover_first) == (State.UNKNOWN, True)
        forward()
        assert [is_imported_once(persona, sent) for sent in (made, missing)] == [True, True]

    @pytest.mark.parametrize("reason", ["six tries", "expired key"])
    def test_person_is_asked_when_the_key_tells_nothing_more(
        self,
        in_doubt: Make,
        import_by_others: ImportByOthers,
        settings: Settings,
        reason: str,
    ) -> None:
        sent = in_doubt(made=True)
        import_by_others()
        sent.batches.update(problem="no_answer")
        if reason == "expired key":
            settings.PERSONA_KEY_LIFE_HOURS = 0
        else:
            for _ in range(5):
                now = Now()
                key = the_only(sent).key
                Attempt.objects.create(batch=the_only(sent), key=key, ended_at=now, settled_at=now)
        recover()
        assert the_only(sent).problem == "ambiguous"


@pytest.mark.parametrize("state", ["in flight", "to be sent again", "settling"])
def test_recovery_waits_for_a_batch_that_could_own_the_importer(
    persona: LocalPersona, in_doubt: Make, make_import: Make, state: str
) -> None:
    sent = in_doubt(made=True)
    other = die_while_sending(make_import(first_seed=10))
    if state != "in flight":
        Attempt.objects.filter(batch=other).update(ended_at=Now(), settled_at=Now())
        Batch.objects.filter(pk=other.pk).update(
            state=State.UNKNOWN, recover_first=state == "settling"
        )
    if state == "settling":
        Attempt.objects.filter(batch=other).update(settled_at=Now() + timedelta(seconds=9))
    assert recovery.recover()
    batch = the_only(sent)
    assert (batch.state, batch.recover_first) == (State.UNKNOWN, True)
    assert batch.problem_detail == "Checking with Persona."
    assert batch.problem == "server_trouble"
    assert importer_requests(persona) == 0
    assert not recovery.recover(), "the next search is not due"


def test_recovery_continues_once_the_other_batch_is_clear(
    persona: LocalPersona, in_doubt: Make, make_import: Make
) -> None:
    sent = in_doubt(made=True)
    other = die_while_sending(make_import(first_seed=10)).face_import
    time_passes()
    forward()
    assert is_imported_once(persona, other)
    assert is_imported_once(persona, sent)


def test_failed_batch_that_may_have_arrived_can_own_the_importer(
    persona: LocalPersona, in_doubt: Make
) -> None:
    failed, sent = in_doubt(made=True), in_doubt(made=False, first_seed=10)
    failed.batches.update(state=State.FAILED, problem="image_missing", recover_first=False)
    recover()
    assert the_only(sent).problem == "ambiguous"
    assert the_only(failed).problem == "image_missing"
