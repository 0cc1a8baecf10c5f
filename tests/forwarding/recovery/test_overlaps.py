"""Two batches in doubt at the same time: an importer could belong to either."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers.forwarding.claims import Leases, claim
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import Batch, Import
from tests.support.batches import OWNER, keys, lease_runs_out, sends, the_only
from tests.support.forwarding import Clock, time_passes
from tests.support.recovery import forward_for_hours, importer_requests, is_imported_once, recover

Make = Callable[..., Import]
State = Batch.State
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.mark.parametrize(("one_made", "other_made"), [(True, True), (True, False), (False, True)])
def test_two_batches_for_one_importer_need_a_person(
    persona: LocalPersona, in_doubt: Make, one_made: bool, other_made: bool
) -> None:
    both = [in_doubt(made=one_made), in_doubt(made=other_made, first_seed=10)]
    forward_for_hours()
    made = {entry.importer_id for entry in persona.ledger()}
    assert len(made) == one_made + other_made
    for sent in both:
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
        assert {row["id"] for row in batch.candidates} == made
    assert len(sends(persona)) == 2


@pytest.mark.parametrize("tried_hours_ago", [2, None])
def test_old_batch_being_sent_causes_ambiguity(
    in_doubt: Make, make_import: Make, tried_hours_ago: int | None
) -> None:
    sent = in_doubt(made=True)
    other = the_only(make_import(first_seed=10))
    long_ago = Now() - timedelta(hours=2)
    Batch.objects.filter(pk=other.pk).update(
        state=State.SENDING,
        idempotency_key=uuid4(),
        lease_until=Now() + timedelta(hours=1),
        recover_first=True,
        first_sent_at=long_ago,
        tried_until=long_ago if tried_hours_ago else None,
    )
    recover()
    assert the_only(sent).problem == "ambiguous"


def test_two_missing_batches_are_both_sent_again(persona: LocalPersona, in_doubt: Make) -> None:
    both = [in_doubt(made=False), in_doubt(made=False, first_seed=10)]
    forward_for_hours()
    assert [is_imported_once(persona, sent) for sent in both] == [True, True]
    assert len(set(keys(persona))) == 4


def test_batches_sent_hours_apart_do_not_overlap(
    persona: LocalPersona, clock: Clock, in_doubt: Make
) -> None:
    clock.ahead = timedelta(hours=-2)
    one = in_doubt(made=True)
    clock.ahead = timedelta()
    hours = timedelta(hours=2)
    Batch.objects.filter(face_import=one).update(
        first_sent_at=F("first_sent_at") - hours, tried_until=F("tried_until") - hours
    )
    other = in_doubt(made=True, first_seed=10)
    forward_for_hours()
    assert is_imported_once(persona, one)
    assert is_imported_once(persona, other)


def test_recovery_makes_no_request_during_a_send(
    persona: LocalPersona, in_doubt: Make, make_import: Make, settings: Settings
) -> None:
    sent = in_doubt(made=True)
    other = make_import(first_seed=10)
    Batch.objects.filter(face_import=sent).update(next_attempt_at=Now() + timedelta(seconds=9))
    assert claim("another") == the_only(other)
    time_passes()
    assert send_next(Leases(OWNER))
    batch = the_only(sent)
    assert (batch.state, batch.recover_first) == (State.UNKNOWN, True)
    assert batch.problem_detail == "Checking with Persona."
    assert batch.problem == "no_answer"
    assert importer_requests(persona) == 0
    assert not send_next(Leases(OWNER))
    lease_runs_out()
    settings.PERSONA_KEY_LIFE_HOURS = 1
    forward_for_hours()
    assert is_imported_once(persona, other)
    assert is_imported_once(persona, sent)


def test_recovery_waits_for_an_overlapping_batch(
    persona: LocalPersona, in_doubt: Make, settings: Settings
) -> None:
    sent, other = in_doubt(made=True), in_doubt(made=True, first_seed=10)
    settings.PERSONA_KEY_LIFE_HOURS = 1
    Batch.objects.filter(face_import=sent).update(recover_first=True)
    Batch.objects.filter(face_import=other).update(next_attempt_at=Now() + timedelta(seconds=9))
    assert send_next(Leases(OWNER))
    assert the_only(sent).state == State.UNKNOWN
    forward_for_hours()
    assert is_imported_once(persona, other)
    assert is_imported_once(persona, sent)
