"""An ambiguous batch: what is shown to a person, and what the decision does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from importers.audit import verification
from importers.audit.actors import Actor
from importers.forwarding import decisions
from importers.forwarding.claims import Leases, claim
from importers.forwarding.control import retry
from importers.forwarding.decisions import NoSuchCandidate, TooLate
from importers.forwarding.polling import poll
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, Gateway, Import
from tests.support.batches import OWNER, keys, sends, the_only
from tests.support.decisions import decide
from tests.support.forwarding import forward, time_passes
from tests.support.recovery import (
    ImportByOthers,
    is_imported_once,
    own_importers,
    recover,
)

Make = Callable[..., Import]
State = Batch.State
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


class TestAmbiguousBatch:
    def test_candidates_are_stored_for_a_person(
        self, persona: LocalPersona, ambiguous: Batch
    ) -> None:
        assert (ambiguous.state, ambiguous.may_have_arrived) == (State.FAILED, True)
        assert not ambiguous.recover_first
        assert "could not confirm which Persona import" in ambiguous.problem_detail
        assert Import.objects.get().state == Import.State.NEEDS_ATTENTION
        ours, theirs = persona.ledger()
        newest, oldest = ambiguous.candidates
        assert (newest["id"], oldest["id"]) == (theirs.importer_id, ours.importer_id)
        assert (oldest["status"], oldest["successful_count"]) == ("ready", 3)
        assert (oldest["duplicate_count"], oldest["error_count"]) == (0, 0)
        assert newest["successful_count"] == 1
        assert newest["created_at"] >= oldest["created_at"] > "2026"

    def test_ambiguous_batch_is_in_the_audit_trail(self, ambiguous: Batch) -> None:
        event = AuditEvent.objects.get(action="batch.failed")
        assert (event.actor_name, event.object_id) == ("worker", str(ambiguous.pk))
        assert event.details == {"problem": "ambiguous"}

    def test_retry_skips_an_ambiguous_batch(
        self, persona: LocalPersona, ambiguous: Batch, actor: Actor
    ) -> None:
        assert retry(ambiguous.face_import, actor) == 0
        forward()
        after = Batch.objects.get(pk=ambiguous.pk)
        assert (after.state, after.problem) == (State.FAILED, "ambiguous")
        assert after.candidates == ambiguous.candidates
        assert after.idempotency_key == ambiguous.idempotency_key
        assert keys(persona).count(str(after.idempotency_key)) == 1


class TestDecision:
    def test_chosen_importer_is_adopted(
        self, persona: LocalPersona, ambiguous: Batch, actor: Actor
    ) -> None:
        ours, _ = persona.ledger()
        decide(ambiguous, ours.importer_id, actor)
        batch = Batch.objects.get(pk=ambiguous.pk)
        assert (batch.state, batch.importer_id) == (State.IMPORTING, ours.importer_id)
        assert (batch.problem, batch.problem_detail) == ("", "")
        assert batch.face_import.state == Import.State.FORWARDING
        forward()
        assert is_imported_once(persona, batch.face_import)
        batch.refresh_from_db()
        assert (batch.successful_count, batch.duplicate_count) == (3, 0)
        assert Import.objects.get().state == Import.State.COMPLETED
        assert len(sends(persona)) == 2

    def test_choosing_none_sends_under_a_new_key(
        self, persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers, actor: Actor
    ) -> None:
        sent = in_doubt(made=False)
        import_by_others(2)
        recover()
        batch = the_only(sent)
        decide(batch, "", actor)
        again = the_only(sent)
        assert (again.state, again.idempotency_key) == (State.QUEUED, None)
        assert not again.may_have_arrived
        assert not again.sends_in_doubt.exists()
        assert again.problem == ""
        forward()
        assert is_imported_once(persona, sent)
        assert str(batch.idempotency_key) != str(the_only(sent).idempotency_key)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_decision_is_in_the_audit_trail(self, ambiguous: Batch, actor: Actor) -> None:
        chosen = ambiguous.candidates[0]["id"]
        decide(ambiguous, chosen, actor)
        event = AuditEvent.objects.get(action="batch.decided")
        assert (event.actor, event.object_id) == (actor.user, str(ambiguous.pk))
        assert event.details == {"importer": chosen}
        assert list(verification.find_breaks()) == []

    @pytest.mark.parametrize("importer_id", ["mprt_of_someone_else", " ", "mprt_"])
    def test_decision_for_unknown_importer_is_refused(
        self, ambiguous: Batch, actor: Actor, importer_id: str
    ) -> None:
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, importer_id, actor)
        assert is_undecided(ambiguous)

    def test_decision_for_adopted_importer_is_refused(
        self, ambiguous: Batch, make_import: Make, actor: Actor
    ) -> None:
        other = the_only(make_import(first_seed=10))
        chosen = ambiguous.candidates[0]["id"]
        Batch.objects.filter(pk=other.pk).update(importer_id=chosen, state=State.DONE)
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, chosen, actor)
        assert is_undecided(ambiguous)

    @pytest.mark.parametrize("second", [0, 1, None])
    @pytest.mark.parametrize("first", [0, None])
    def test_second_decision_is_refused(
        self, ambiguous: Batch, actor: Actor, first: int | None, second: int | None
    ) -> None:
        ids = [row["id"] for row in ambiguous.candidates]
        decide(ambiguous, "" if first is None else ids[first], actor)
        decided = Batch.objects.values().get(pk=ambiguous.pk)
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, "" if second is None else ids[second], actor)
        assert Batch.objects.values().get(pk=ambiguous.pk) == decided
        assert AuditEvent.objects.filter(action="batch.decided").count() == 1

    @pytest.mark.parametrize("problem", ["refused", "seal_broken", "key_reused"])
    def test_decision_on_unambiguous_batch_is_refused(
        self, ambiguous: Batch, actor: Actor, problem: str
    ) -> None:
        Batch.objects.update(problem=problem)
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, "", actor)
        assert the_only(ambiguous.face_import).state == State.FAILED

    def test_two_decisions_complete_two_batches(
        self, persona: LocalPersona, in_doubt: Make, actor: Actor
    ) -> None:
        made, missing = in_doubt(made=True), in_doubt(made=False, first_seed=10)
        recover()
        decide(the_only(made), own_importers(persona, made)[0], actor)
        decide(the_only(missing), "", actor)
        forward()
        assert [is_imported_once(persona, sent) for sent in (made, missing)] == [True, True]
        assert len(sends(persona)) == 3


class TestUndo:
    @pytest.mark.parametrize("matched", [True, False])
    def test_undone_decision_can_be_made_anew(
        self, persona: LocalPersona, ambiguous: Batch, actor: Actor, matched: bool
    ) -> None:
        ours, theirs = persona.ledger()
        decide(ambiguous, theirs.importer_id if matched else "", actor)
        decisions.undo(Batch.objects.get(pk=ambiguous.pk), actor)
        after = Batch.objects.get(pk=ambiguous.pk)
        assert (after.state, after.problem) == (State.FAILED, "ambiguous")
        assert (after.importer_id, after.may_have_arrived) == ("", True)
        assert (after.key, after.candidates) == (ambiguous.key, ambiguous.candidates)
        assert after.sends_in_doubt.exists()
        assert after.face_import.state == Import.State.NEEDS_ATTENTION
        assert AuditEvent.objects.filter(action="batch.undecided", actor=actor.user).count() == 1
        decide(after, ours.importer_id, actor)
        forward()
        assert is_imported_once(persona, after.face_import)

    def test_decision_waits_half_a_minute(
        self, persona: LocalPersona, ambiguous: Batch, make_import: Make, actor: Actor
    ) -> None:
        """Neither its own turn nor another batch's poll comes first."""
        ours, _ = persona.ledger()
        decide(ambiguous, ours.importer_id, actor)
        make_import(first_seed=10)
        assert send_next(Leases(OWNER))
        Batch.objects.exclude(pk=ambiguous.pk).update(next_attempt_at=Now())
        Gateway.objects.update(next_poll_at=None)
        assert poll()
        waiting = Batch.objects.get(pk=ambiguous.pk)
        assert (waiting.state, waiting.decided_at is None) == (State.IMPORTING, False)
        wait = waiting.next_attempt_at - datetime.now(UTC)
        assert timedelta(seconds=20) < wait <= timedelta(seconds=30)

    def test_batch_to_send_again_waits_half_a_minute(self, ambiguous: Batch, actor: Actor) -> None:
        decide(ambiguous, "", actor)
        assert claim(OWNER) is None

    @pytest.mark.parametrize("matched", [True, False])
    def test_decision_that_has_taken_effect_stays(
        self, persona: LocalPersona, ambiguous: Batch, actor: Actor, matched: bool
    ) -> None:
        ours, _ = persona.ledger()
        decide(ambiguous, ours.importer_id if matched else "", actor)
        persona.faults.inject("stuck", where="GET /importers")
        time_passes()
        assert poll() if matched else claim(OWNER)
        before = Batch.objects.values().get(pk=ambiguous.pk)
        with pytest.raises(TooLate):
            decisions.undo(Batch.objects.get(pk=ambiguous.pk), actor)
        assert Batch.objects.values().get(pk=ambiguous.pk) == before
        assert not AuditEvent.objects.filter(action="batch.undecided").exists()

    def test_batch_without_a_decision_has_none_to_undo(
        self, make_import: Make, actor: Actor
    ) -> None:
        with pytest.raises(TooLate):
            decisions.undo(the_only(make_import()), actor)


def test_claimed_candidate_disappears(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers, actor: Actor
) -> None:
    both = [in_doubt(made=True), in_doubt(made=True, first_seed=10)]
    import_by_others()
    recover()
    one, other = (the_only(sent) for sent in both)
    own = own_importers(persona, both[0])[0]
    decide(one, own, actor)
    (left,) = decisions.unclaimed([other]).values()
    assert {row["id"] for row in left} == {row["id"] for row in other.candidates} - {own}


def test_decisions_are_made_together_or_not_at_all(
    persona: LocalPersona, ambiguous: Batch, actor: Actor
) -> None:
    ours, _ = persona.ledger()
    with pytest.raises(NoSuchCandidate):
        decisions.decide(ambiguous.face_import, {ambiguous.number: ours.importer_id, 99: ""}, actor)
    assert is_undecided(ambiguous)


def is_undecided(batch: Batch) -> bool:
    after = Batch.objects.get(pk=batch.pk)
    same = (after.state, after.problem, after.candidates) == (
        *(State.FAILED, "ambiguous"),
        batch.candidates,
    )
    import_waits = after.face_import.state == Import.State.NEEDS_ATTENTION
    recorded = AuditEvent.objects.filter(action="batch.decided").exists()
    return same and import_waits and not recorded and after.importer_id == ""
