"""When a batch in doubt goes into recovery, and what follows."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers.audit import verification
from importers.audit.actors import Actor
from importers.forwarding import control, policy, recovery
from importers.forwarding.claims import Leases, claim
from importers.forwarding.sending import send_next
from importers.local_persona import IMPORT, LocalPersona
from importers.models import Attempt, AuditEvent, Batch, Import
from tests.support.batches import (
    OWNER,
    Meanwhile,
    die_while_sending,
    import_state,
    keys,
    lease_runs_out,
    sends,
    the_only,
    worker_actions,
)
from tests.support.forwarding import forward, time_passes
from tests.support.recovery import importer_requests, is_imported_once, recover

Make = Callable[..., Import]
State = Batch.State
INDEX = "GET /importers"
MADE = ["server_error_made", "broken_json", "no_id"]
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


class TestRepeatedServerError:
    def test_missing_batch_is_sent_under_a_new_key(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        persona.faults.inject("server_error")
        sent = make_import()
        recover(2)
        batch = the_only(sent)
        assert (batch.state, batch.recover_first) == (State.UNKNOWN, True)
        assert importer_requests(persona) == 0
        recover()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.QUEUED, "not_arrived")
        assert batch.idempotency_key is None
        assert not batch.may_have_arrived
        assert not batch.recover_first
        forward()
        first, again, new = keys(persona)
        assert first == again != new
        assert is_imported_once(persona, sent)

    def test_recovery_starts_once_the_send_has_settled(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        persona.faults.inject("server_error")
        sent = make_import()
        recover()
        assert send_next(Leases(OWNER))
        assert not recovery.recover(), "it is not due"
        Batch.objects.update(next_attempt_at=Now())
        assert recovery.recover()
        assert importer_requests(persona) == 0, "Persona may still create its importer"
        time_passes()
        assert recovery.recover()
        assert importer_requests(persona) == 1
        assert the_only(sent).problem == "not_arrived"

    @pytest.mark.parametrize("fault", MADE)
    def test_arrived_batch_is_adopted_not_sent_again(
        self, persona: LocalPersona, make_import: Make, fault: str
    ) -> None:
        persona.faults.inject(fault, times=2)
        sent = make_import()
        recover(3)
        batch = the_only(sent)
        assert (batch.state, batch.persona_status) == (State.IMPORTING, "ready")
        assert (batch.problem, batch.problem_detail) == ("", "")
        assert batch.accepted_at
        assert not batch.recover_first
        forward()
        assert len(sends(persona)) == 2
        assert len(set(keys(persona))) == 1
        assert is_imported_once(persona, sent)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_recovery_is_in_the_audit_trail(self, persona: LocalPersona, make_import: Make) -> None:
        persona.faults.inject("broken_json", times=2)
        persona.faults.inject("server_error")
        batch = the_only(make_import())
        recover(4)
        events = AuditEvent.objects.filter(actor_name="worker").order_by("pk")
        assert {event.object_id for event in events} == {str(batch.pk)}
        assert [(event.action, event.details.get("problem")) for event in events] == [
            ("batch.sending", None),
            ("batch.unknown", "server_trouble"),
            ("batch.sending", None),
            ("batch.unknown", "server_trouble"),
            ("batch.queued", "not_arrived"),
            ("batch.sending", None),
            ("batch.accepted", None),
        ]
        assert list(verification.find_breaks()) == []


class TestConflict:
    def test_conflict_is_sent_again_under_the_same_key(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        persona.faults.inject("conflict")
        sent = make_import()
        recover()
        batch = the_only(sent)
        assert (batch.state, batch.problem, batch.recover_first) == (
            State.UNKNOWN,
            "conflict",
            True,
        )
        recover()
        batch = the_only(sent)
        assert (batch.state, batch.problem, batch.recover_first) == (
            State.UNKNOWN,
            "conflict",
            False,
        )
        forward()
        assert keys(persona) == [str(batch.idempotency_key)] * 2
        assert is_imported_once(persona, sent)

    def test_conflict_with_expired_key_gets_a_new_key(
        self, persona: LocalPersona, make_import: Make, settings: Settings
    ) -> None:
        persona.faults.inject("conflict")
        sent = make_import()
        recover()
        settings.PERSONA_KEY_LIFE_HOURS = 0
        recover()
        assert the_only(sent).problem == "not_arrived"
        forward()
        assert len(set(keys(persona))) == 2
        assert is_imported_once(persona, sent)


@pytest.mark.django_db(transaction=True)
class TestRequestInFlight:
    @pytest.mark.parametrize(("fault", "requests"), [("slow", 1), ("drop_made", 2)])
    def test_concurrent_sends_make_one_importer(
        self,
        persona: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        fault: str,
        requests: int,
    ) -> None:
        """The first answer is late, or lost so that recovery finds the importer."""
        sent = make_import()

        def another_worker_sends_it() -> None:
            meanwhile.does = lambda: None
            lease_runs_out()
            assert send_next(Leases("another"))

        persona.faults.inject(fault, where=IMPORT, seconds=1)
        meanwhile.does = another_worker_sends_it
        send_next(Leases("the slow one"))
        assert sends(persona)[1].status == 409
        time_passes()
        forward()
        assert importer_requests(persona) == requests
        assert len(set(keys(persona))) == 1
        assert len(sends(persona)) == 2
        assert is_imported_once(persona, sent)


class TestExpiredKey:
    @pytest.mark.parametrize("made", [True, False])
    def test_expired_key_is_never_used_again(
        self, persona: LocalPersona, make_import: Make, settings: Settings, made: bool
    ) -> None:
        persona.faults.inject("drop_made" if made else "drop_unmade")
        sent = make_import()
        recover()
        settings.PERSONA_KEY_LIFE_HOURS = 0
        forward()
        assert len(set(keys(persona))) == len(sends(persona)) == (1 if made else 2)
        assert is_imported_once(persona, sent)

    @pytest.mark.parametrize(("hours", "requests"), [(1, 1), (24, 0)])
    def test_key_expires_after_the_configured_hours(
        self,
        persona: LocalPersona,
        make_import: Make,
        settings: Settings,
        hours: int,
        requests: int,
    ) -> None:
        settings.PERSONA_KEY_LIFE_HOURS = hours
        persona.faults.inject("drop_made")
        sent = make_import()
        recover()
        Attempt.objects.update(began_at=F("began_at") - timedelta(minutes=59))
        recover()
        assert (importer_requests(persona), len(sends(persona))) == (requests, 2 - requests)
        forward()
        assert is_imported_once(persona, sent)

    @pytest.mark.parametrize("made", [True, False])
    def test_dead_workers_expired_key_needs_recovery(
        self, persona: LocalPersona, make_import: Make, settings: Settings, made: bool
    ) -> None:
        persona.faults.inject("drop_made" if made else "drop_unmade")
        sent = make_import()
        recover()
        sent.batches.update(state=State.SENDING, lease_until=Now())
        Attempt.objects.update(ended_at=None, settled_at=None)
        settings.PERSONA_KEY_LIFE_HOURS = 0
        recover(2)
        assert importer_requests(persona) == 1
        forward()
        assert is_imported_once(persona, sent)


@pytest.mark.parametrize(
    ("others", "problem"), [(0, "not_arrived"), (1, "keeps_failing")], ids=["outage", "poison"]
)
def test_batch_on_which_persona_keeps_failing_needs_a_person(
    persona: LocalPersona, make_import: Make, in_doubt: Make, others: int, problem: str
) -> None:
    """Not in an outage, in which no other batch is accepted either."""
    sent = in_doubt(made=False)
    for _ in range(9):
        Attempt.objects.create(batch=the_only(sent), key=uuid4(), ended_at=Now(), settled_at=Now())
    for _ in range(others):
        make_import(first_seed=10)
        assert send_next(Leases(OWNER))
    recover()
    assert the_only(sent).problem == problem


class TestWorkersDied:
    """A batch that kills each worker that sends it must not stop the others."""

    def test_third_death_leaves_the_batch_to_recovery_and_sends_others(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        sent = make_import()
        for _ in range(policy.MOST_DEATHS):
            die_while_sending(sent)
        other = make_import(first_seed=10)
        assert not send_next(Leases(OWNER))
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.UNKNOWN, "workers_died")
        assert batch.recover_first
        assert (batch.lease_until, batch.lease_owner) == (None, "")
        assert send_next(Leases(OWNER))
        assert the_only(other).state == State.IMPORTING
        assert len(sends(persona)) == 1

    def test_missing_batch_needs_a_person_who_can_retry_it(
        self, persona: LocalPersona, make_import: Make, actor: Actor
    ) -> None:
        sent = make_import()
        for _ in range(policy.MOST_DEATHS):
            left = die_while_sending(sent)
        assert claim(OWNER) is None
        time_passes()
        recover()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.FAILED, "workers_died")
        assert batch.problem_detail.endswith("It is not at Persona. Retry it once you know why.")
        assert import_state(sent) == Import.State.NEEDS_ATTENTION
        assert worker_actions()[:2] == ["batch.unknown", "batch.failed"]
        assert sends(persona) == []
        assert control.retry(sent, actor) == 1
        die_while_sending(sent)
        forward()
        assert is_imported_once(persona, sent)
        assert str(left.key) not in keys(persona)

    def test_batch_that_arrived_is_adopted(self, persona: LocalPersona, make_import: Make) -> None:
        persona.faults.inject("drop_made")
        sent = make_import()
        recover()
        sent.batches.update(state=State.SENDING, lease_until=Now())
        Attempt.objects.update(ended_at=None, settled_at=None)
        for _ in range(policy.MOST_DEATHS - 1):
            die_while_sending(sent)
        assert claim(OWNER) is None
        time_passes()
        recover()
        forward()
        assert len(sends(persona)) == 1
        assert is_imported_once(persona, sent)

    def test_answer_between_the_deaths_starts_the_count_again(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        sent = make_import()
        for _ in range(policy.MOST_DEATHS - 1):
            die_while_sending(sent)
        persona.faults.inject("unavailable")
        recover()
        die_while_sending(sent)
        recover()
        assert the_only(sent).state == State.IMPORTING


def test_batch_whose_send_was_refused_late_is_sent_again(
    persona: LocalPersona, make_import: Make
) -> None:
    """Another worker put it into recovery before the refusal came."""
    sent = make_import()
    die_while_sending(sent).send_to_recovery()
    Attempt.objects.update(may_have_arrived=False, ended_at=Now(), settled_at=Now())
    recover()
    assert importer_requests(persona) == 0
    assert the_only(sent).problem == "not_arrived"
    forward()
    assert is_imported_once(persona, sent)
