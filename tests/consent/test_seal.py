"""The seal: it breaks if the attestation or what it covers changes."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from importers.audit.actors import Actor
from importers.consent import manifest, seal, statements
from importers.consent.seal import SealBroken
from importers.models import Attestation, AuditEvent, FaceList, Image, Import, Person
from importers.models.consent import LawfulBasis
from tests.support.attestations import ANSWERS, ENTRY, sign
from tests.support.makers import MakeDraft

pytestmark = pytest.mark.django_db
GOLDEN_SEAL = "0c5902e149b3e4661915448ed0914b91b0ec90a9faea29d82b3259c719b37fa4"
OTHER_IMAGES = "The import's images or entries are not those that were attested."
OTHER_LIST = "The import goes to a list other than the one that was attested."
CHANGED = "The attestation was changed after it was sealed."
CHANGES: dict[str, Any] = {
    "statement_version": 2,
    "statement_text": f"{statements.FIRST[LawfulBasis.CONSENT]} ",
    "lawful_basis": "legal_claims",
    "jurisdictions": ["us-il", "eu"],
    "image_source": "public_web",
    "purpose": ANSWERS["purpose"][:-1],
    "term_ends_on": ANSWERS["term_ends_on"] + timedelta(days=1),
    "evidence_reference": "FR-2026-015",
    "adults_only": False,
    "evidence_kind": "written_release",
    "notice_version": "4.20",
    "consent_from": date(2026, 1, 6),
    "consent_to": None,
    "withdrawal_route": "https://www.example.com/",
    "law": "RCW 19.375.040",
    "decided_by": "Ada Lindqvist",
    "decided_on": date(2026, 1, 5),
    "assessment_reference": "DPIA-2026-003",
    "informed_on": date(2026, 1, 5),
    "not_informed_reason": "GDPR Art. 14(5)(b)",
    "article_6_ground": "6(1)(a)",
    "article_9_ground": "9(2)(a)",
    "warnings": ["I was warned."],
    "manifest_version": 3,
    "manifest_sha256": "0" * 64,
    "image_count": 4,
    "environment": "production",
    "list_persona_id": "lst_other",
    "list_name": "Another list",
    "typed_name": "Maya Okafor ",
    "signed_by_id": None,  # the test creates another person
    "signed_by_username": "colleague",
    "signed_at": None,  # the test adds a microsecond
    "signed_from": "192.0.2.8",
    "sign_in_method": "session",
    "needs_approval": True,
    "seal": "0" * 64,
}


@pytest.fixture
def sealed(draft: Import, actor: Actor) -> Import:
    sign(draft, actor)
    draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
    return draft


def stored_attestation() -> Attestation:
    return Attestation.objects.get()


def broken_reason() -> str:
    """Check a seal that must be broken, and return where it differs."""
    with pytest.raises(SealBroken) as caught:
        seal.check(stored_attestation())
    return caught.value.reason


def test_untouched_seal_holds(sealed: Import) -> None:
    seal.check(stored_attestation())


def test_every_field_of_the_attestation_but_its_end_is_sealed() -> None:
    unsealed = {"id", "seal", "voided_at", "voided_by_id", "void_reason"}
    fields = {field.attname for field in Attestation._meta.concrete_fields} - unsealed
    assert fields == set(seal.FIELDS[seal.VERSION])
    assert fields == {*CHANGES, "face_import_id", "seal_version"} - {"seal"}


def test_seal_of_version_3_never_changes() -> None:
    """A later migration or version must leave every seal that exists valid."""
    signed = Attestation(
        face_import_id=7,
        statement_version=1,
        statement_text="I attest.",
        lawful_basis="public_interest",
        jurisdictions=["us-wa", "uk"],
        image_source="own_capture",
        purpose="To recognise people confirmed as fraudsters – “for a year”.",
        term_ends_on=date(2027, 11, 24),
        evidence_reference="FR-2026-014",
        adults_only=True,
        law="Data Protection Act 2018, Sch. 1 para. 14",
        decided_by="Zoë Ólafsdóttir",
        decided_on=date(2026, 1, 5),
        assessment_reference="DPIA-2026-003",
        not_informed_reason="GDPR Art. 14(5)(b)",
        article_6_ground="6(1)(f)",
        article_9_ground="9(2)(g)",
        warnings=["A condition of Schedule 1 must apply."],
        manifest_version=2,
        manifest_sha256="ab" * 32,
        image_count=2,
        environment="local",
        list_persona_id="lst_1",
        list_name="Confirmed fraud",
        typed_name="Maya Okafor",
        signed_by_id=3,
        signed_by_username="officer",
        signed_at=datetime(2026, 11, 24, 9, 30, 0, 1, tzinfo=UTC),
        signed_from="192.0.2.7",
        sign_in_method="password",
        needs_approval=True,
        seal_version=3,
    )
    assert seal.compute(signed) == GOLDEN_SEAL


def test_remade_seal_is_broken(sealed: Import) -> None:
    """The hash has no key. The trail's row is what cannot be changed unnoticed."""
    changed = stored_attestation()
    changed.purpose = "Something else."
    Attestation.objects.update(purpose=changed.purpose, seal=seal.compute(changed))
    assert broken_reason() == "The audit trail does not hold this seal."


def test_list_moved_to_another_environment_breaks_the_seal(sealed: Import) -> None:
    FaceList.objects.update(environment="production")
    assert broken_reason() == OTHER_LIST


def test_unknown_manifest_version_is_broken(sealed: Import) -> None:
    attestation = stored_attestation()
    attestation.manifest_version = 99
    attestation.seal = seal.compute(attestation)
    record = AuditEvent.objects.filter(action="import.attested")
    record.update(details={"seal": attestation.seal})
    with pytest.raises(SealBroken, match="manifest has version 99, which is not known"):
        seal.check(attestation)


def test_unknown_seal_version_is_broken(sealed: Import) -> None:
    Attestation.objects.update(seal_version=99)
    assert broken_reason() == "The seal has the unknown version 99."


@pytest.mark.parametrize("field", CHANGES)
def test_changed_field_breaks_the_seal(field: str, sealed: Import) -> None:
    value = CHANGES[field]
    if field == "signed_by_id":
        value = Person.objects.create_user("colleague").pk
    elif field == "signed_at":
        value = stored_attestation().signed_at + timedelta(microseconds=1)
    assert Attestation.objects.filter(**{field: value}).count() == 0
    assert Attestation.objects.update(**{field: value}) == 1
    assert broken_reason() == CHANGED


def test_attestation_moved_to_another_import_breaks_the_seal(
    sealed: Import, make_draft: MakeDraft, face_list: FaceList
) -> None:
    """The other import holds the same images."""
    twin = make_draft(face_list, 3)
    twin.files.update(listing_reason=ENTRY.listing_reason)
    assert manifest.lines(twin) == manifest.lines(sealed)
    Attestation.objects.update(face_import=twin)
    assert broken_reason() == CHANGED


def test_added_image_breaks_the_seal(sealed: Import) -> None:
    Image.objects.create(
        face_import=sealed, byte_size=1, sha256="a" * 64, state=Image.State.ACCEPTED
    )
    assert broken_reason() == OTHER_IMAGES


def test_removed_image_breaks_the_seal(sealed: Import) -> None:
    sealed.files.all()[0].delete()
    assert broken_reason() == OTHER_IMAGES


def test_image_rejected_later_breaks_the_seal(sealed: Import) -> None:
    first = sealed.files.all()[0]
    Image.objects.filter(pk=first.pk).update(state=Image.State.LEFT_OUT, reason="damaged")
    assert broken_reason() == OTHER_IMAGES


def test_changed_image_hash_breaks_the_seal(sealed: Import) -> None:
    first = sealed.files.all()[0]
    Image.objects.filter(pk=first.pk).update(sha256="a" * 64)
    assert broken_reason() == OTHER_IMAGES


@pytest.mark.parametrize(
    "entry",
    [
        {"subject_reference": "S-1"},
        {"case_reference": "FR-1"},
        {"listing_reason": "suspected_fraud"},
        {"listing_reason": ""},
        {"note": "A note."},
    ],
)
def test_changed_entry_breaks_the_seal(entry: dict[str, str], sealed: Import) -> None:
    first = sealed.files.all()[0]
    assert Image.objects.filter(pk=first.pk).update(**entry) == 1
    assert broken_reason() == OTHER_IMAGES


def test_image_hidden_in_the_entry_of_another_breaks_the_seal(sealed: Import) -> None:
    """The manifest's text stays the same: a line of the one contains the line of the other."""
    one, other, _ = sealed.files.order_by("sha256")
    before = manifest.digest(manifest.lines(sealed))
    no_note = hashlib.sha256(b"").hexdigest()
    Image.objects.filter(pk=one.pk).update(
        subject_reference=f"\t\tconfirmed_fraud\t{no_note}\n{other.sha256}",
        case_reference=f"{other.sha256}\t\t",
    )
    Image.objects.filter(pk=other.pk).update(state=Image.State.LEFT_OUT, reason="damaged")
    assert manifest.digest(manifest.lines(sealed)) == before
    assert broken_reason() == OTHER_IMAGES


def test_other_list_breaks_the_seal(sealed: Import) -> None:
    other = FaceList.objects.create(environment="local", persona_id="lst_other")
    Import.objects.filter(pk=sealed.pk).update(face_list=other)
    assert broken_reason() == OTHER_LIST


def test_changed_list_id_breaks_the_seal(sealed: Import) -> None:
    FaceList.objects.update(persona_id="lst_other")
    assert broken_reason() == OTHER_LIST


def test_renamed_list_keeps_the_seal(sealed: Import) -> None:
    FaceList.objects.update(name="A better name")
    seal.check(stored_attestation())


def test_rejected_file_keeps_the_seal(sealed: Import) -> None:
    Image.objects.create(
        face_import=sealed, byte_size=1, state=Image.State.LEFT_OUT, reason="damaged"
    )
    seal.check(stored_attestation())
