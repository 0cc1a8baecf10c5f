"""Imports that a second person approves before anything of them is sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from django.db.models import QuerySet
from pytest_django import Settings

from importers.access.roles import assign
from importers.audit.actors import Actor
from importers.consent import approval
from importers.consent.approval import IsMaker
from importers.consent.seal import SealBroken
from importers.forwarding import control, submission
from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.forwarding.submission import NotAwaited, ShownAnother
from importers.intake import aside, copies, drafts, entries, files
from importers.lists import policy
from importers.local_persona import LocalPersona
from importers.models import (
    Approval,
    AuditEvent,
    Batch,
    Entry,
    FaceList,
    Image,
    Import,
    Person,
    Role,
)
from tests.support.approvals import approve, guard, make_approver, refuse
from tests.support.attestations import in_force, submit
from tests.support.batches import OWNER, sends, the_only
from tests.support.files import incoming, receive_one
from tests.support.forwarding import every_image_is_there_once, forward, states_of, time_passes
from tests.support.makers import MakeDraft
from tests.support.pictures import draw
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
State, OfBatch = Import.State, Batch.State
Act = Callable[[Import, Actor], object]


@pytest.fixture
def approver(db: None) -> Actor:
    return make_approver()


@pytest.fixture
def waiting(make_draft: MakeDraft, known_list: FaceList, actor: Actor) -> Import:
    """A signed import of three images to a list whose policy asks for approval."""
    return submit(make_draft(guard(known_list)), actor)


def first_of(draft: Import) -> QuerySet[Image]:
    return draft.files.filter(original_name="face-0.jpg")


def upload_and_dismiss(draft: Import, by: Actor) -> None:
    entries.keep_file(draft, [], make_approver("uploader", Role.OFFICER))
    entries.dismiss_file(draft, by)


def copy(sent: Import, by: Actor) -> Import:
    sent.batches.update(state=OfBatch.CANCELED)
    return submit(copies.copy_lost(sent, by), by, typed_name=by.person.get_full_name())


class TestAwaiting:
    def test_nothing_is_there_to_send(self, waiting: Import, persona: LocalPersona) -> None:
        forward()
        assert (waiting.state, waiting.label) == (State.AWAITING_APPROVAL, "Awaiting approval")
        assert (waiting.batches.count(), persona.requests()) == (0, [])
        assert in_force(waiting).needs_approval
        assert "import.sent" not in actions()

    @pytest.mark.parametrize(
        "change",
        [
            lambda draft, by: files.receive(draft, [incoming("new.jpg", draw(9))], by),
            lambda draft, by: aside.remove(draft, draft.files.all(), by),
            lambda draft, by: aside.restore(draft, draft.files.all(), by),
            lambda draft, by: aside.include(draft, draft.files.all(), "So.", by),
            lambda draft, by: entries.describe(draft, draft.files.all(), Entry("S"), by),
            lambda draft, by: entries.keep_file(draft, [], by),
            lambda draft, by: drafts.change_list(draft, draft.face_list, by),
            lambda draft, by: drafts.save_answers(draft, {}, by),
            lambda draft, by: drafts.discard(draft, by),
            submit,
        ],
    )
    def test_nothing_of_it_can_be_changed(self, change: Act, waiting: Import, actor: Actor) -> None:
        with pytest.raises(drafts.NotADraft):
            change(waiting, actor)

    def test_lifted_policy_releases_nothing(
        self, waiting: Import, make_draft: MakeDraft, actor: Actor, persona: LocalPersona
    ) -> None:
        policy.change(waiting.face_list, needs_approval=False, actor=actor)
        later = submit(make_draft(waiting.face_list, 1, first_seed=9), actor)
        forward()
        waiting.refresh_from_db()
        assert (waiting.state, waiting.batches.count()) == (State.AWAITING_APPROVAL, 0)
        assert every_image_is_there_once(persona, later), "the policy counts when it is signed"


class TestApproval:
    def test_approved_import_is_cut_and_sent(
        self, waiting: Import, approver: Actor, persona: LocalPersona, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        assert approve(waiting, approver).state == State.FORWARDING
        given, signed = Approval.objects.get(), in_force(waiting)
        assert (given.attestation, given.decision, given.seal) == (signed, "approved", signed.seal)
        assert (given.decided_by, given.decided_by_username) == (approver.user, "approver")
        assert (given.decided_from, given.sign_in_method) == ("192.0.2.9", "password")
        forward()
        assert states_of(waiting) == [OfBatch.DONE] * 2
        assert every_image_is_there_once(persona, waiting)

    def test_approval_and_release_are_recorded(self, waiting: Import, approver: Actor) -> None:
        approve(waiting, approver)
        approved, sent = AuditEvent.objects.order_by("-pk")[:2][::-1]
        assert (approved.action, approved.actor) == ("import.approved", approver.user)
        assert approved.details["seal"] == in_force(waiting).seal
        assert (sent.action, sent.actor) == ("import.sent", approver.user)

    @pytest.mark.parametrize(
        "take_part",
        [
            lambda draft, by: Import.objects.filter(pk=draft.pk).update(created_by=by.user),
            lambda draft, by: receive_one(draft, incoming("new.jpg", draw(9)), by),
            lambda draft, by: aside.remove(draft, first_of(draft), by),
            lambda draft, by: entries.describe(draft, draft.files.all(), Entry(note="A."), by),
            lambda draft, by: drafts.change_list(draft, draft.face_list, by),
            lambda draft, by: drafts.save_answers(draft, {"purpose": ["To find."]}, by),
            lambda draft, by: entries.keep_file(draft, [], by),
            upload_and_dismiss,
        ],
        ids=[
            *("created", "uploaded", "removed", "described", "chose the list", "answered"),
            *("uploaded entries", "dismissed entries"),
        ],
    )
    def test_whoever_took_part_decides_nothing(
        self, take_part: Act, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        draft, both = make_draft(guard(known_list)), make_approver("both", Role.OFFICER)
        take_part(draft, both)
        waiting = submit(draft, actor)
        for decide in (approve, refuse):
            with pytest.raises(IsMaker):
                decide(waiting, both)
        assert not Approval.objects.exists()
        assert Import.objects.get(pk=waiting.pk).awaits_approval

    @pytest.mark.on_both_databases
    def test_makers_decide_nothing_about_copies_of_copies(
        self, make_draft: MakeDraft, known_list: FaceList, actor: Actor, approver: Actor
    ) -> None:
        draft, both = make_draft(known_list, 1), make_approver("both", Role.OFFICER)
        drafts.save_answers(draft, {"purpose": ["To find."]}, both)
        first = copy(submit(draft, actor), make_approver("second", Role.OFFICER))
        guard(known_list)
        again = copy(first, make_approver("third", Role.OFFICER))
        assert again.awaits_approval
        asked = Import.objects.all()
        for username in ("officer", "both", "second", "third"):
            person = Person.objects.get(username=username)
            assert not approval.may_decide(in_force(again), person), username
            assert again not in approval.wanted_of(asked, person), username
        assert [*approval.wanted_of(asked, approver.person)] == [again]
        assert approve(again, approver).state == State.FORWARDING

    def test_signer_decides_nothing(self, waiting: Import, actor: Actor) -> None:
        """Whoever created the draft could hand it over before it is signed."""
        Import.objects.update(created_by=make_approver().user)
        assign(actor.person, [Role.OFFICER, Role.APPROVER])
        for decide in (approve, refuse):
            with pytest.raises(IsMaker):
                decide(waiting, actor)

    def test_only_what_was_shown_is_approved(
        self, waiting: Import, actor: Actor, approver: Actor
    ) -> None:
        shown = in_force(waiting).seal
        submission.withdraw(waiting, actor)
        submit(Import.objects.get(pk=waiting.pk), actor)
        with pytest.raises(ShownAnother):
            submission.approve(waiting, shown, approver)
        assert not waiting.batches.exists()

    def test_broken_seal_cannot_be_approved(self, waiting: Import, approver: Actor) -> None:
        Image.objects.filter(pk=waiting.files.all()[0].pk).update(note="Another.")
        with pytest.raises(SealBroken):
            approve(waiting, approver)
        assert not Approval.objects.exists()

    def test_second_decision_is_refused(self, waiting: Import, approver: Actor) -> None:
        approve(waiting, approver)
        for decide in (approve, refuse):
            with pytest.raises(NotAwaited):
                decide(waiting, make_approver(decide.__name__))


class TestBackToDraft:
    def test_refused_import_is_a_draft_whose_signature_is_void(
        self, waiting: Import, approver: Actor, actor: Actor
    ) -> None:
        assert refuse(waiting, approver).state == State.DRAFT
        (void,) = waiting.attestations.all()
        assert (void.voided_by, void.void_reason) == (approver.user, "The case is closed.")
        assert (Approval.objects.get().decision, waiting.attestation) == ("refused", None)
        recorded = AuditEvent.objects.get(action="import.refused")
        assert recorded.details["seal"] == void.seal
        assert "case is closed" not in str(recorded.details)

    def test_corrected_import_is_signed_and_approved_again(
        self, waiting: Import, approver: Actor, actor: Actor, persona: LocalPersona
    ) -> None:
        aside.remove(refuse(waiting, approver), first_of(waiting), actor)
        receive_one(waiting, incoming("better.jpg", draw(9)), actor)
        approve(submit(waiting, actor), approver)
        forward()
        (sent,) = persona.ledger()
        accepted = waiting.files.filter(state=Image.State.ACCEPTED)
        assert {file.sha256 for file in sent.files} == {*accepted.values_list("sha256", flat=True)}
        assert [one.is_void for one in waiting.attestations.all()] == [True, False]

    def test_answers_and_what_was_set_aside_come_back(
        self, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(guard(known_list))
        drafts.save_answers(draft, {"purpose": ["To recognise fraudsters."]}, actor)
        aside.remove(draft, first_of(draft), actor)
        submission.withdraw(submit(draft, actor), actor)
        draft.refresh_from_db()
        assert draft.draft_answers == {"purpose": ["To recognise fraudsters."]}
        assert aside.restore(draft, draft.files.all(), actor) == 1

    def test_withdrawn_import_is_a_draft_and_recorded(self, waiting: Import, actor: Actor) -> None:
        submission.withdraw(waiting, actor)
        assert Import.objects.get().is_draft
        (void,) = waiting.attestations.all()
        assert void.voided_by == actor.user
        recorded = AuditEvent.objects.get(action="import.withdrawn")
        assert recorded.details == {"seal": void.seal}

    def test_released_import_does_not_come_back(
        self, waiting: Import, approver: Actor, actor: Actor, persona: LocalPersona
    ) -> None:
        approve(waiting, approver)
        Person.objects.filter(pk=approver.person.pk).update(is_active=False)
        forward()
        other = make_approver("other")
        for back in (lambda: refuse(waiting, other), lambda: submission.withdraw(waiting, actor)):
            with pytest.raises(NotAwaited):
                back()


def deactivate(given: Approval) -> None:
    Person.objects.filter(pk=given.decided_by_id).update(is_active=False)


def end(given: Approval) -> None:
    yesterday = date.today() - timedelta(days=1)
    Person.objects.filter(pk=given.decided_by_id).update(ends_on=yesterday)


def take_the_right(given: Approval) -> None:
    assign(given.decided_by, [Role.OFFICER])


def give_the_import_away(given: Approval) -> None:
    Import.objects.update(created_by=given.decided_by_id)


def copy_another_seal(given: Approval) -> None:
    Approval.objects.update(seal="0" * 64)


def name_another(given: Approval) -> None:
    """Somebody who may approve, but did not."""
    Approval.objects.update(decided_by=make_approver("another").person)


class TestSending:
    @pytest.mark.parametrize(
        ("end_it", "why"),
        [
            (deactivate, "the account was deactivated"),
            (end, "the account has ended"),
            (take_the_right, "the account may no longer approve imports"),
            (give_the_import_away, "the same person took part in making the import"),
            (copy_another_seal, "it is not the one that the audit trail holds"),
            (name_another, "it is not the one that the audit trail holds"),
        ],
    )
    def test_approval_that_no_longer_holds_sends_nothing(
        self,
        end_it: Callable[[Approval], None],
        why: str,
        waiting: Import,
        approver: Actor,
        persona: LocalPersona,
    ) -> None:
        approve(waiting, approver)
        end_it(Approval.objects.get())
        forward()
        batch = the_only(waiting)
        assert (sends(persona), batch.state, batch.problem) == ([], "failed", "not_approved")
        sentence = f"The approval by approver is no longer valid: {why}. Ask for a new approval."
        assert batch.problem_detail == sentence
        waiting.refresh_from_db()
        assert waiting.state == State.NEEDS_ATTENTION

    def test_approver_who_leaves_while_a_batch_waits_for_its_turn_releases_nothing(
        self, waiting: Import, approver: Actor, persona: LocalPersona
    ) -> None:
        approve(waiting, approver)

        @contextmanager
        def late_turn() -> Iterator[bool]:
            deactivate(Approval.objects.get())
            yield True

        send_next(Leases(OWNER), late_turn)
        assert (sends(persona), the_only(waiting).problem) == ([], "not_approved")

    def test_missing_approval_sends_nothing(
        self, waiting: Import, approver: Actor, persona: LocalPersona
    ) -> None:
        approve(waiting, approver)
        Approval.objects.all().delete()
        forward()
        assert (sends(persona), the_only(waiting).problem) == ([], "not_approved")

    def test_another_approver_releases_what_was_not_sent(
        self, waiting: Import, approver: Actor, actor: Actor, persona: LocalPersona
    ) -> None:
        approve(waiting, approver)
        deactivate(Approval.objects.get())
        forward()
        control.retry(waiting, actor)
        forward()
        assert the_only(waiting).problem == "not_approved", "a retry needs an approval too"
        approve(waiting, make_approver("other"))
        forward()
        waiting.refresh_from_db()
        assert (waiting.state, Approval.objects.count()) == (State.COMPLETED, 2)
        assert every_image_is_there_once(persona, waiting)

    def test_batch_that_may_have_arrived_is_recovered(
        self, waiting: Import, approver: Actor, persona: LocalPersona
    ) -> None:
        approve(waiting, approver)
        persona.faults.inject("drop_made")
        send_next(Leases(OWNER))
        deactivate(Approval.objects.get())
        time_passes()
        send_next(Leases(OWNER))
        batch = the_only(waiting)
        assert (batch.state, batch.problem) == ("failed", "not_approved")
        assert batch.may_have_arrived
        approve(waiting, make_approver("other"))
        time_passes()
        forward()
        assert the_only(waiting).state == OfBatch.DONE, "it had arrived"
        assert (len(sends(persona)), len(persona.ledger())) == (1, 1)


@pytest.mark.on_both_databases
class TestWanted:
    def wanted(self, person: Actor) -> list[Import]:
        return list(approval.wanted_of(Import.objects.all(), person.person))

    def test_imports_of_others_are_wanted(
        self, waiting: Import, approver: Actor, actor: Actor, make_draft: MakeDraft
    ) -> None:
        make_draft(waiting.face_list, 1, first_seed=9)
        both = make_approver("both", Role.OFFICER)
        helped = make_draft(waiting.face_list, 1, first_seed=10)
        receive_one(helped, incoming("new.jpg", draw(11)), both)
        submit(helped, actor)
        assert self.wanted(approver) == [helped, waiting]
        assert self.wanted(both) == [waiting]
        assert self.wanted(actor) == []

    def test_import_whose_approval_ended_is_wanted_again(
        self, waiting: Import, approver: Actor, persona: LocalPersona
    ) -> None:
        approve(waiting, approver)
        deactivate(Approval.objects.get())
        assert self.wanted(other := make_approver("other")) == []
        forward()
        assert self.wanted(other) == [waiting]
