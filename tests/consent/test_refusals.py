"""Signatures that are refused: the draft changed since it was shown, or they may not be sealed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError

from importers.audit.actors import WORKER, Actor
from importers.consent import attestation
from importers.consent.attestation import (
    AlreadySealed,
    CannotSign,
    DraftChanged,
    NothingToSend,
    Signature,
)
from importers.intake import drafts
from importers.models import Attestation, AuditEvent, Entry, FaceList, Image, Import, Person
from tests.support.attestations import ENTRY, publish, sign, signature
from tests.support.files import incoming, receive_one, remove_one
from tests.support.pictures import draw
from tests.support.trail import block_the_next_row

pytestmark = pytest.mark.django_db
Change = Callable[[Import, Actor], object]
NO_CASE = Entry(listing_reason="suspected_fraud")
EVERY_FIELD = [
    *("account_id", "face_list_id", "statement_version", "answers_sha256", "manifest_sha256"),
    "needs_approval",
]


@pytest.fixture(autouse=True)
def nothing_is_stored(draft: Import) -> Iterator[None]:
    draft.files.update(case_reference="FR-1")
    yield
    assert not Attestation.objects.exists()
    assert not AuditEvent.objects.filter(action="import.attested").exists()
    assert not Image.objects.exclude(listing_reason="").exists()


def add_image(draft: Import, actor: Actor) -> None:
    receive_one(draft, incoming("new.jpg", draw(9)), actor)


def remove_image(draft: Import, actor: Actor) -> None:
    remove_one(draft.files.all()[0], actor)


def replace_image(draft: Import, actor: Actor) -> None:
    remove_image(draft, actor)
    add_image(draft, actor)


def change_entry(draft: Import, actor: Actor) -> None:
    Image.objects.filter(original_name="face-1.jpg").update(note="Seen at two branches.")


def change_list(draft: Import, actor: Actor) -> None:
    other = FaceList.objects.create(environment="local", persona_id="lst_other")
    drafts.change_list(draft, other, actor)


def publish_statement(draft: Import, actor: Actor) -> None:
    publish("A stricter wording.", actor)


def require_approval(draft: Import, actor: Actor) -> None:
    FaceList.objects.update(needs_approval=True)
    draft.refresh_from_db()


def change_all_of_it(draft: Import, actor: Actor) -> None:
    replace_image(draft, actor)
    change_list(draft, actor)
    publish_statement(draft, actor)


class TestChanged:
    def changed(self, draft: Import, signed: Signature, actor: Actor) -> list[str]:
        with pytest.raises(DraftChanged) as caught:
            attestation.attest(draft, signed, actor)
        return caught.value.changed

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            (add_image, ["manifest_sha256"]),
            (remove_image, ["manifest_sha256"]),
            (replace_image, ["manifest_sha256"]),
            (change_entry, ["manifest_sha256"]),
            (change_list, ["face_list_id"]),
            (publish_statement, ["statement_version"]),
            (require_approval, ["needs_approval"]),
            (change_all_of_it, ["face_list_id", "statement_version", "manifest_sha256"]),
        ],
    )
    def test_change_after_display_is_named(
        self, change: Change, fields: list[str], draft: Import, actor: Actor
    ) -> None:
        signed = signature(draft, actor.person)
        change(draft, actor)
        assert self.changed(draft, signed, actor) == fields

    def test_signing_with_another_account_is_named(self, draft: Import, actor: Actor) -> None:
        signed = signature(draft, actor.person)
        colleague = Person.objects.create_user("colleague", first_name="Maya", last_name="Okafor")
        other = Actor.of_user(colleague, address="192.0.2.7", sign_in_method="password")
        assert self.changed(draft, signed, other) == ["account_id"]

    @pytest.mark.parametrize(
        "answer",
        [{"purpose": "Another."}, {"jurisdictions": ["us-tx"]}, {"law": "One that is not asked."}],
    )
    def test_changed_answers_are_named(
        self, answer: dict[str, Any], draft: Import, actor: Actor
    ) -> None:
        shown = signature(draft, actor.person).shown
        signed = replace(signature(draft, actor.person, **answer), shown=shown)
        assert self.changed(draft, signed, actor) == ["answers_sha256"]

    def test_changed_default_entry_is_named(self, draft: Import, actor: Actor) -> None:
        shown = signature(draft, actor.person).shown
        signed = replace(signature(draft, actor.person, replace(ENTRY, note="New.")), shown=shown)
        assert self.changed(draft, signed, actor) == ["manifest_sha256"]

    def test_page_that_does_not_say_what_it_showed_is_refused(
        self, draft: Import, actor: Actor
    ) -> None:
        signed = replace(signature(draft, actor.person), shown=None)
        assert self.changed(draft, signed, actor) == EVERY_FIELD


class TestRefused:
    """Refused, although nothing changed since the page was shown."""

    def sentences(self, draft: Import, actor: Actor, **changes: Any) -> tuple[str, ...]:
        with pytest.raises(CannotSign) as caught:
            sign(draft, actor, **changes)
        return caught.value.sentences

    def test_basis_that_a_jurisdiction_refuses_cannot_be_signed(
        self, draft: Import, actor: Actor
    ) -> None:
        basis = {"lawful_basis": "fraud_exemption", "jurisdictions": ["us-tx", "us-il"]}
        assert self.sentences(draft, actor, **basis) == (
            "Illinois (BIPA): Illinois requires a written release and has no such exemption. "
            "(740 ILCS 14/15(b))",
        )

    @pytest.mark.parametrize("confirmed", [[], ["I confirm everything."]])
    def test_each_warning_must_be_confirmed(
        self, confirmed: list[str], draft: Import, actor: Actor
    ) -> None:
        found = self.sentences(draft, actor, jurisdictions=["eu"], warnings=confirmed)
        assert found == ("Confirm each warning.",)

    def test_warning_that_was_not_given_cannot_be_confirmed(
        self, draft: Import, actor: Actor
    ) -> None:
        found = self.sentences(draft, actor, warnings=["I was not warned of this."])
        assert found == ("Confirm each warning.",)

    @pytest.mark.parametrize("name", ["Donald Duck", "Maya", "Okafor Maya", "Maya Okafor Jr", ""])
    def test_name_of_somebody_else_is_refused(self, name: str, draft: Import, actor: Actor) -> None:
        found = self.sentences(draft, actor, typed_name=name)
        assert found == ("The typed name is not the full name of the account.",)

    def test_account_without_a_full_name_cannot_sign(self, draft: Import, actor: Actor) -> None:
        Person.objects.update(first_name="", last_name="")
        actor.person.refresh_from_db()
        found = self.sentences(draft, actor, typed_name="")
        assert found == ("The typed name is not the full name of the account.",)

    def test_each_image_needs_a_reason(self, draft: Import, actor: Actor) -> None:
        assert self.sentences(draft, actor, entry=Entry()) == ("Each image needs its entry.",)

    def test_each_image_needs_a_case_unless_the_basis_is_consent(
        self, draft: Import, actor: Actor
    ) -> None:
        draft.files.filter(original_name="face-1.jpg").update(case_reference="")
        basis = {"lawful_basis": "fraud_exemption", "jurisdictions": ["us-tx"]}
        found = self.sentences(draft, actor, **basis, entry=NO_CASE)
        assert found == ("Each image needs its entry.",)

    def test_every_problem_is_named_at_once(self, draft: Import, actor: Actor) -> None:
        found = self.sentences(
            draft,
            actor,
            lawful_basis="financial_institution",
            jurisdictions=["eu", "us-il"],
            warnings=[],
            typed_name="Donald Duck",
            entry=Entry(),
        )
        assert len(found) == 4


class TestNotSigned:
    def test_draft_needs_an_accepted_image(self, face_list: FaceList, actor: Actor) -> None:
        empty = drafts.open_draft(face_list, actor)
        receive_one(empty, incoming("a.txt", b"a"), actor)
        with pytest.raises(NothingToSend):
            sign(empty, actor)

    @pytest.mark.parametrize("state", [s for s in Import.State if s != Import.State.DRAFT])
    def test_only_a_draft_can_be_signed(
        self, state: Import.State, draft: Import, actor: Actor
    ) -> None:
        """The row decides: the object that was read before still says draft."""
        Import.objects.filter(pk=draft.pk).update(state=state)
        with pytest.raises(AlreadySealed):
            sign(draft, actor)

    def test_worker_cannot_sign(self, draft: Import, actor: Actor) -> None:
        with pytest.raises(ValueError, match="Only a person"):
            attestation.attest(draft, signature(draft, actor.person), WORKER)

    def test_signature_that_cannot_be_recorded_is_not_stored(
        self, draft: Import, actor: Actor
    ) -> None:
        forged = block_the_next_row()
        with pytest.raises(IntegrityError):
            sign(draft, actor)
        forged.delete()
