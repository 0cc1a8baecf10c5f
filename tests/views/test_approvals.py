"""The page on which a second person decides, and what leads to it."""

from typing import Any

import pytest
from django.test import Client

from importers.access.roles import assign
from importers.audit.actors import Actor
from importers.forwarding import submission
from importers.intake import aside
from importers.lists import policy
from importers.local_persona import LocalPersona
from importers.models import Approval, AuditEvent, FaceList, Import, Person, Role
from tests.support.approvals import approve, guard, make_approver, refuse
from tests.support.attestations import in_force, kept, submit
from tests.support.forwarding import forward
from tests.support.makers import MakeDraft
from tests.support.pages import values_of, words_of
from tests.support.people import PASSWORD
from tests.support.review import sign

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(make_draft: MakeDraft, known_list: FaceList, actor: Actor) -> Import:
    return submit(make_draft(guard(known_list), 2), actor)


@pytest.fixture
def approver(client: Client) -> Client:
    return signed_in_as(make_approver())


def signed_in_as(actor: Actor) -> Client:
    client = Client()
    client.post("/account/login/", {"login": actor.name, "password": PASSWORD})
    return client


def page(client: Client, waiting: Import) -> Any:
    return client.get(f"/imports/{waiting.pk}/approve/")


def decide(client: Client, waiting: Import, decision: str = "approved", **more: Any) -> Any:
    seal = values_of(page(client, waiting).content.decode(), "seal")[:1]
    given = {"decision": decision, "seal": seal, "password": PASSWORD} | more
    return client.post(f"/imports/{waiting.pk}/approve/", given)


def of(waiting: Import) -> Import:
    return Import.objects.get(pk=waiting.pk)


class TestPage:
    def test_page_shows_everything_that_was_signed(
        self, approver: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        submit(make_draft(known_list, 1), actor)
        draft = make_draft(guard(known_list), 2)
        aside.include(draft, draft.files.all(), "A better photo.", actor)
        waiting = submit(draft, actor, jurisdictions=["eu"])
        html, shown = page(approver, waiting).content.decode(), words_of(page(approver, waiting))
        signed = in_force(waiting)
        for words in (
            *("Signed for 2 images", "Maya Okafor", "Seal intact", signed.seal, "A better photo."),
            *(signed.purpose, signed.warnings[0], "Confirmed fraud", "face-0.jpg"),
        ):
            assert words in shown
        assert html.count("data-key") == html.count("data-face") == 2

    def test_broken_seal_is_shown_and_cannot_be_approved(
        self, approver: Client, waiting: Import
    ) -> None:
        waiting.files.update(note="Another.")
        assert "Seal broken" in words_of(page(approver, waiting))
        answer = decide(approver, waiting)
        assert "not those that were attested" in words_of(approver.get(answer.url))
        assert of(waiting).awaits_approval

    def test_images_that_another_import_sent_meanwhile_are_named(
        self, approver: Client, waiting: Import, make_draft: MakeDraft, actor: Actor
    ) -> None:
        policy.change(waiting.face_list, needs_approval=False, actor=actor)
        submit(make_draft(waiting.face_list, 1), actor)
        shown = words_of(page(approver, waiting))
        assert "1 image was sent to this list by another import since" in shown


class TestDecision:
    def test_approval_sends_the_import(
        self, approver: Client, waiting: Import, persona: LocalPersona
    ) -> None:
        answer = decide(approver, waiting)
        assert answer.url == f"/imports/{waiting.pk}/"
        assert "Approved. The results appear below." in words_of(approver.get(answer.url))
        forward()
        assert len(persona.ledger()) == 1
        assert Approval.objects.get().decided_from == "127.0.0.1"

    def test_refusal_needs_a_reason_and_returns_the_draft(
        self, approver: Client, signed_in: Client, waiting: Import
    ) -> None:
        answer = decide(approver, waiting, "refused", reason="  ")
        assert answer.status_code == 422
        assert "Enter why you refuse it." in words_of(answer)
        decide(approver, waiting, "refused", reason="The <b>case</b> is closed.")
        assert of(waiting).is_draft
        shown = words_of(signed_in.get(f"/imports/{waiting.pk}/"))
        assert ": The <b>case</b> is closed." in shown
        assert "Refused by Tomás Approver on" in shown
        shown = words_of(approver.get(f"/imports/{waiting.pk}/"))
        assert "This import is being prepared. Nothing has been sent." in shown

    @pytest.mark.parametrize("password", ["", "not my password"])
    def test_wrong_password_decides_nothing(
        self, password: str, approver: Client, waiting: Import
    ) -> None:
        assert decide(approver, waiting, password=password).status_code == 422
        assert of(waiting).awaits_approval

    def test_signature_of_another_time_is_not_approved(
        self, approver: Client, waiting: Import, actor: Actor
    ) -> None:
        seal = in_force(waiting).seal
        submission.withdraw(waiting, actor)
        submit(of(waiting), actor)
        answer = decide(approver, waiting, seal=seal)
        assert answer.url == f"/imports/{waiting.pk}/approve/"
        assert "was signed again" in words_of(approver.get(answer.url))
        assert of(waiting).awaits_approval

    def test_maker_is_refused_and_recorded(
        self, signed_in: Client, officer: Person, waiting: Import
    ) -> None:
        assign(officer, [Role.OFFICER, Role.APPROVER])
        shown = words_of(signed_in.get(f"/imports/{waiting.pk}/"))
        assert "so somebody else decides" in shown
        assert "Approve or refuse" not in shown
        answer = decide(signed_in, waiting, seal=in_force(waiting).seal)
        assert (answer.status_code, of(waiting).awaits_approval) == (403, True)
        denied = AuditEvent.objects.filter(action="approval.denied").latest("pk")
        assert (denied.actor, denied.object_id) == (officer, str(waiting.pk))

    def test_officer_is_refused_and_recorded(self, signed_in: Client, waiting: Import) -> None:
        assert decide(signed_in, waiting, seal=in_force(waiting).seal).status_code == 403
        assert AuditEvent.objects.filter(action="person.denied").latest("pk").details["lacks"] == [
            "approve"
        ]

    def test_decided_import_is_not_decided_again(self, approver: Client, waiting: Import) -> None:
        refuse(waiting, make_approver("other"))
        answer = decide(approver, waiting)
        assert "no longer waits for a decision" in words_of(approver.get(answer.url))

    def test_import_whose_approval_ended_can_only_be_approved(
        self, approver: Client, waiting: Import, persona: LocalPersona
    ) -> None:
        other = make_approver("other")
        approve(waiting, other)
        Person.objects.filter(pk=other.person.pk).update(is_active=False)
        forward()
        shown = words_of(approver.get(f"/imports/{waiting.pk}/"))
        assert "The approval by other is no longer valid: the account was deactivated." in shown
        assert decide(approver, waiting, "refused", reason="No.").status_code == 422
        decide(approver, waiting)
        forward()
        assert of(waiting).state == Import.State.COMPLETED


class TestMakers:
    def test_signing_says_that_an_approval_is_needed(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList
    ) -> None:
        draft = make_draft(guard(known_list), 1)
        Import.objects.update(draft_answers=kept())
        sentence = "Imports to this list are approved by a second person."
        assert sentence in words_of(signed_in.get(f"/imports/{draft.pk}/"))
        html = signed_in.get(f"/imports/{draft.pk}/attest/").content.decode()
        assert "Attest and ask for approval of 1 image" in " ".join(html.split())
        assert "policy of the list was changed" in words_of(
            signed_in.get(sign(signed_in, draft).url)
        )
        sign(signed_in, draft, needs_approval="yes")
        assert of(draft).awaits_approval

    def test_withdrawn_import_is_a_draft_with_its_answers(
        self, signed_in: Client, waiting: Import
    ) -> None:
        answer: Any = signed_in.post(f"/imports/{waiting.pk}/withdraw/")
        assert "Withdrawn. The signature is void." in words_of(signed_in.get(answer.url))
        assert of(waiting).is_draft
        again: Any = signed_in.post(f"/imports/{waiting.pk}/withdraw/")
        assert "no longer waits for a decision" in words_of(signed_in.get(again.url))


class TestWaiting:
    def test_approver_reads_how_many_imports_wait(
        self, approver: Client, signed_in: Client, waiting: Import
    ) -> None:
        assert "1 import awaits your approval." in words_of(approver.get("/"))
        assert "your approval" not in words_of(signed_in.get("/"))
        listed = words_of(approver.get("/?state=awaiting_approval"))
        assert f"Import {waiting.pk}" in listed
        assert "Approve or refuse" in words_of(approver.get(f"/imports/{waiting.pk}/"))


class TestRecord:
    def test_record_shows_decisions_and_void_signatures(
        self, signed_in: Client, waiting: Import, actor: Actor
    ) -> None:
        refuse(waiting, make_approver(), "The case is closed.")
        approve(submit(of(waiting), actor), make_approver("other"))
        shown = words_of(signed_in.get(f"/imports/{waiting.pk}/record/"))
        assert "Refused by Tomás Approver on" in shown
        assert ": The case is closed." in shown
        assert "Approved Tomás Other (account other)" in shown
        assert "In force" in shown
        content = signed_in.get(f"/imports/{waiting.pk}/attestation.json").json()
        assert [one["decided_by_username"] for one in content["approvals"]] == ["other"]
        assert [one["void_reason"] for one in content["void_attestations"]] == [
            "The case is closed."
        ]
        assert content["sealed"]["needs_approval"] is True


class TestPolicy:
    @pytest.fixture
    def administrator(self, signed_in: Client, officer: Person) -> Client:
        assign(officer, [Role.ADMINISTRATOR])
        return signed_in

    def test_change_is_shown_and_recorded(self, administrator: Client, face_list: FaceList) -> None:
        path = f"/lists/{face_list.pk}/policy/"
        assert path in administrator.get("/lists/").content.decode()
        answer: Any = administrator.post(path, {"needs_approval": "on"})
        shown = words_of(administrator.get(answer.url))
        assert "Imports to Confirmed fraud need an approval from now on." in shown
        assert "Second person" in shown
        administrator.post(path, {"needs_approval": "on"})
        recorded = AuditEvent.objects.get(action="list.policy_changed")
        assert (recorded.object_type, recorded.object_id) == ("facelist", str(face_list.pk))
        assert recorded.details == {
            "before": {"needs_approval": False},
            "after": {"needs_approval": True},
        }

    def test_policy_page_says_that_what_waits_keeps_waiting(
        self, administrator: Client, waiting: Import
    ) -> None:
        shown = words_of(administrator.get(f"/lists/{waiting.face_list_id}/policy/"))
        assert "1 import waits for an approval now" in shown

    def test_officer_may_not_change_it(self, signed_in: Client, face_list: FaceList) -> None:
        path = f"/lists/{face_list.pk}/policy/"
        assert path not in signed_in.get("/lists/").content.decode()
        assert signed_in.post(path, {"needs_approval": "on"}).status_code == 403
        assert not FaceList.objects.get().needs_approval

    def test_list_is_marked_where_it_is_chosen(
        self, signed_in: Client, face_list: FaceList
    ) -> None:
        guard(face_list)
        shown = words_of(signed_in.get("/imports/new/"))
        assert "Confirmed fraud (approved by a second person)" in shown
