"""Signing: an attestation stores who attested what about which images."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import IntegrityError

from importers.audit.actors import Actor
from importers.consent import attestation, bases, manifest, seal, statements
from importers.consent.attestation import AlreadySealed
from importers.models import Attestation, AuditEvent, Entry, FaceList, Image, Import, Person
from importers.models.consent import LawfulBasis
from tests.support.attestations import ANSWERS, publish, sign, signature
from tests.support.files import incoming, receive_one
from tests.support.makers import MakeDraft

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
OF_FRAUD = {
    "lawful_basis": "fraud_exemption",
    "jurisdictions": ["us-tx"],
    "law": "Tex. Bus. & Com. Code 503.001(e)(3)",
    "decided_by": "Ada Lindqvist",
    "decided_on": date(2026, 1, 5),
    "assessment_reference": "DPIA-2026-003",
    "informed_on": date(2026, 2, 1),
    "entry": Entry(listing_reason="suspected_fraud", case_reference="FR-2026-014"),
}


class TestRecord:
    def test_attestation_stores_the_exact_text_shown(self, draft: Import, actor: Actor) -> None:
        shown = publish(" Exactly\r\nthis – “text”. \n", actor)
        sign(draft, actor)
        stored = Attestation.objects.get()
        assert (stored.statement_version, stored.statement_text) == (2, shown.text)

    def test_attestation_stores_the_text_shown_while_a_newer_one_is_published(
        self, draft: Import, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        warnings = bases.warnings

        def publish_meanwhile(*of: Any) -> list[str]:
            publish("A newer wording.", actor)
            return warnings(*of)

        signed = signature(draft, actor.person)
        monkeypatch.setattr(bases, "warnings", publish_meanwhile)
        attestation.attest(draft, signed, actor)
        stored = Attestation.objects.get()
        assert statements.in_force("consent").version == 2
        assert stored.statement_version == 1
        assert stored.statement_text == statements.FIRST[LawfulBasis.CONSENT]

    def test_attestation_stores_the_statement_of_its_basis(
        self, draft: Import, actor: Actor
    ) -> None:
        sign(draft, actor, **OF_FRAUD)
        stored = Attestation.objects.get()
        assert stored.statement_text == statements.FIRST[LawfulBasis.FRAUD_EXEMPTION]

    def test_attestation_stores_who_signed_when_and_where(
        self, draft: Import, actor: Actor, officer: Person
    ) -> None:
        before = datetime.now(UTC)
        sign(draft, actor)
        stored = Attestation.objects.get()
        assert (stored.signed_by, stored.signed_by_username) == (officer, "officer")
        assert before <= stored.signed_at <= datetime.now(UTC)
        assert (stored.signed_from, stored.sign_in_method) == ("192.0.2.7", "password")
        assert stored.typed_name == "Maya Okafor"

    def test_attestation_stores_every_answer(self, draft: Import, actor: Actor) -> None:
        sign(draft, actor)
        assert Attestation.objects.filter(**ANSWERS).exists()

    def test_attestation_stores_manifest_count_and_list(self, draft: Import, actor: Actor) -> None:
        sign(draft, actor)
        stored = Attestation.objects.get()
        assert stored.face_import == draft
        assert stored.manifest_sha256 == manifest.digest(manifest.lines(draft))
        assert (stored.manifest_version, stored.image_count) == (2, 3)
        assert (stored.list_persona_id, stored.list_name) == ("lst_unknown", "Confirmed fraud")
        assert stored.environment == "local"

    def test_attestation_stores_the_warnings_that_were_confirmed(
        self, draft: Import, actor: Actor
    ) -> None:
        sign(draft, actor, **OF_FRAUD)
        stored = Attestation.objects.get()
        assert stored.warnings == bases.cautions("fraud_exemption", ["us-tx"])
        assert len(stored.warnings) == 1

    @pytest.mark.parametrize("basis", ["consent", "fraud_exemption"])
    def test_answer_that_the_basis_does_not_ask_for_is_stored_empty(
        self, basis: str, draft: Import, actor: Actor
    ) -> None:
        both = OF_FRAUD | {"article_6_ground": "6(1)(a)", "article_9_ground": "9(2)(a)"}
        sign(draft, actor, **both | {"lawful_basis": basis})
        stored = Attestation.objects.get()
        others = set(bases.ANSWERS).difference(bases.questions(basis, ["us-tx"]))
        assert {getattr(stored, name) for name in others} == {"", None}

    def test_signing_writes_one_audit_row_with_the_seal(self, draft: Import, actor: Actor) -> None:
        attestation = sign(draft, actor)
        event = AuditEvent.objects.get(action="import.attested")
        assert (event.object_type, event.object_id) == ("import", str(draft.pk))
        assert event.actor_name == "officer"
        assert event.details == {
            "manifest_sha256": attestation.manifest_sha256,
            "images": 3,
            "seal": attestation.seal,
        }

    def test_equal_answers_have_different_seals(
        self, draft: Import, actor: Actor, make_draft: MakeDraft, face_list: FaceList
    ) -> None:
        other = make_draft(face_list, 3)
        assert sign(draft, actor).seal != sign(other, actor).seal


class TestSeal:
    def test_seal_holds_for_any_script(self, draft: Import, actor: Actor) -> None:
        odd = 'Zoë 周恩来\nline "quoted" \\ 🎭\u2028'
        entry = Entry("S–17 顔", "FR 🎭", "other", f"{odd}\t{odd}")
        sign(draft, actor, purpose=odd, withdrawal_route=odd, entry=entry)
        seal.check(Attestation.objects.get())

    def test_seal_holds_without_dates(self, draft: Import, actor: Actor) -> None:
        undated = {"informed_on": None, "not_informed_reason": "GDPR Art. 14(5)(b)"}
        sign(draft, actor, **OF_FRAUD | undated)
        seal.check(Attestation.objects.get())


class TestEntries:
    def test_default_entry_is_written_where_an_image_has_none(
        self, draft: Import, actor: Actor
    ) -> None:
        own = {"listing_reason": "account_takeover", "note": "Seen twice."}
        draft.files.filter(original_name="face-1.jpg").update(**own)
        default = Entry(listing_reason="confirmed_fraud", case_reference="FR-7", note="A note.")
        sign(draft, actor, entry=default)
        assert list(draft.files.values_list("listing_reason", "case_reference", "note")) == [
            ("confirmed_fraud", "FR-7", "A note."),
            ("account_takeover", "FR-7", "Seen twice."),
            ("confirmed_fraud", "FR-7", "A note."),
        ]
        seal.check(Attestation.objects.get())

    def test_rejected_file_gets_no_entry(self, draft: Import, actor: Actor) -> None:
        receive_one(draft, incoming("notes.txt", b"notes"), actor)
        sign(draft, actor)
        assert draft.files.get(state=Image.State.LEFT_OUT).listing_reason == ""

    def test_other_import_keeps_its_entries(
        self, draft: Import, actor: Actor, make_draft: MakeDraft, face_list: FaceList
    ) -> None:
        other = make_draft(face_list, 1)
        sign(draft, actor)
        assert other.files.get().listing_reason == ""

    def test_image_with_a_reason_of_its_own_needs_no_default(
        self, draft: Import, actor: Actor
    ) -> None:
        draft.files.update(listing_reason="identity_theft")
        sign(draft, actor, entry=Entry())
        assert {image.listing_reason for image in draft.files.all()} == {"identity_theft"}

    def test_missing_parts_are_counted(self, draft: Import, actor: Actor) -> None:
        receive_one(draft, incoming("notes.txt", b"notes"), actor)
        draft.files.filter(original_name="face-1.jpg").update(listing_reason="identity_theft")
        draft.files.filter(original_name="face-2.jpg").update(case_reference="FR-7")

        def missing(basis: str, entry: Entry) -> dict[str, int]:
            return attestation.missing_entries(draft, basis, entry)

        assert missing("consent", Entry()) == {"listing_reason": 2}
        assert missing("legal_claims", Entry()) == {"listing_reason": 2, "case_reference": 2}
        assert missing("legal_claims", Entry(case_reference="FR-1")) == {"listing_reason": 2}
        assert missing("consent", Entry(listing_reason="enrolled")) == {}


@pytest.mark.parametrize(
    "typed", ["Maya Okafor", "  maya \t OKAFOR ", "Ｍａｙａ Okafor", "maya\u00a0okafor"]
)
def test_spacing_and_case_of_the_name_do_not_matter(
    typed: str, draft: Import, actor: Actor
) -> None:
    sign(draft, actor, typed_name=typed)
    assert Attestation.objects.get().typed_name == typed


def test_import_is_signed_once(draft: Import, actor: Actor) -> None:
    first = sign(draft, actor)
    draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
    with pytest.raises(AlreadySealed):
        sign(draft, actor, purpose="Another purpose.")
    assert Attestation.objects.get() == first
    assert Attestation.objects.get().purpose == ANSWERS["purpose"]


def test_database_refuses_a_second_attestation(draft: Import, actor: Actor) -> None:
    first = sign(draft, actor)
    with pytest.raises(IntegrityError):
        sign(draft, actor, purpose="Another purpose.")
    assert Attestation.objects.get().seal == first.seal
