"""The attestation: over exactly which images, sealed how, and what the form asks."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from importers import audit, consent, intake
from importers.audit import Actor
from importers.consent import (
    AlreadySealed,
    Answers,
    DraftChanged,
    NothingToSend,
    SealBroken,
    Shown,
)
from importers.forms import AttestationForm, ShownForm
from importers.models import Attestation, AuditEvent, AuditHead, FaceList, Image, Import, Statement
from tests.support.attestations import ANSWERS
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(make_draft: Callable[..., Import], face_list: FaceList) -> Import:
    return make_draft(face_list, 3)


def shown_manifest(of_import: Import) -> str:
    return consent.manifest_sha256(consent.manifest(of_import))


def seal(draft: Import, actor: Actor, answers: Answers = ANSWERS) -> Attestation:
    return consent.seal(draft, answers, actor, consent.as_it_is(draft))


class TestManifest:
    def test_manifest_is_the_sorted_hashes_of_accepted_images(self, draft: Import) -> None:
        expected = sorted(hashlib.sha256(draw(seed)).hexdigest() for seed in range(3))
        given = [hashlib.sha256(draw(seed)).hexdigest() for seed in range(3)]
        assert expected != given
        assert consent.manifest(draft) == expected

    def test_manifest_hash_covers_one_row_per_image(self, draft: Import) -> None:
        lines = sorted(hashlib.sha256(draw(seed)).hexdigest() for seed in range(3))
        by_hand = hashlib.sha256(f"{lines[0]}\n{lines[1]}\n{lines[2]}\n".encode()).hexdigest()
        assert shown_manifest(draft) == by_hand

    def test_manifest_hash_equals_sha256sum(self) -> None:
        """printf 'aa\\nbb\\n' | sha256sum"""
        by_sha256sum = "329d670e59ead1543a2d36865895972560bc434204c5f4a0c8219005dd312719"
        assert consent.manifest_sha256(["aa", "bb"]) == by_sha256sum

    def test_manifest_does_not_depend_on_upload_order(
        self, face_list: FaceList, actor: Actor
    ) -> None:
        imports = [intake.open_draft(face_list, actor) for _ in range(2)]
        for seeds, draft in zip(((0, 1, 2), (2, 0, 1)), imports, strict=True):
            for seed in seeds:
                intake.take(draft, f"{seed}.jpg", draw(seed), len(draw(seed)), actor)
        assert consent.manifest(imports[0]) == consent.manifest(imports[1])

    def test_manifest_excludes_rejected_files(self, draft: Import, actor: Actor) -> None:
        before = consent.manifest(draft)
        intake.take(draft, "a.txt", b"a", 1, actor)
        intake.take(draft, "again.jpg", draw(), len(draw()), actor)
        assert draft.files.count() == 5
        assert consent.manifest(draft) == before

    def test_manifest_excludes_other_imports(
        self, draft: Import, make_draft: Callable[..., Import], face_list: FaceList
    ) -> None:
        before = consent.manifest(draft)
        make_draft(face_list, 2, first_seed=10)
        assert consent.manifest(draft) == before


class TestStatement:
    def test_first_wording_is_version_1(self) -> None:
        assert consent.statement().version == 1
        assert consent.statement().text == consent.FIRST_STATEMENT
        assert Statement.objects.count() == 1

    def test_newest_version_is_in_force(self) -> None:
        consent.statement()
        Statement.objects.create(version=3, text="third")
        Statement.objects.create(version=2, text="second")
        assert consent.statement().text == "third"


class TestSealing:
    def test_attestation_stores_the_exact_text_shown(self, draft: Import, actor: Actor) -> None:
        shown = Statement.objects.create(version=7, text=" Exactly\r\nthis – “text”. \n")
        consent.seal(draft, ANSWERS, actor, consent.as_it_is(draft))
        stored = Attestation.objects.get()
        assert (stored.statement_version, stored.statement_text) == (7, shown.text)

    def test_attestation_stores_who_signed_when_and_where(
        self, draft: Import, actor: Actor, officer: User
    ) -> None:
        before = datetime.now(UTC)
        seal(draft, actor)
        stored = Attestation.objects.get()
        assert (stored.signed_by, stored.signed_by_username) == (officer, "officer")
        assert before <= stored.signed_at <= datetime.now(UTC)
        assert (stored.signed_from, stored.sign_in_method) == ("192.0.2.7", "password")
        assert stored.typed_name == "Maya Okafor"

    def test_attestation_stores_every_answer(self, draft: Import, actor: Actor) -> None:
        seal(draft, actor)
        stored = Attestation.objects.get()
        assert {name: getattr(stored, name) for name in asdict(ANSWERS)} == asdict(ANSWERS)

    def test_attestation_stores_manifest_count_and_list(self, draft: Import, actor: Actor) -> None:
        seal(draft, actor)
        stored = Attestation.objects.get()
        assert stored.face_import == draft
        assert (stored.manifest_sha256, stored.image_count) == (shown_manifest(draft), 3)
        assert (stored.list_persona_id, stored.list_name) == ("lst_unknown", "Confirmed fraud")

    def test_signing_writes_one_audit_row_with_the_seal(self, draft: Import, actor: Actor) -> None:
        attestation = seal(draft, actor)
        event = AuditEvent.objects.get(action="import.attested")
        assert (event.object_type, event.object_id) == ("import", str(draft.pk))
        assert event.actor_name == "officer"
        assert event.details == {
            "manifest_sha256": attestation.manifest_sha256,
            "images": 3,
            "seal": attestation.seal,
        }

    def test_seal_holds_for_any_script(self, draft: Import, actor: Actor) -> None:
        odd = replace(
            ANSWERS, typed_name="Zoë 周恩来 Ólafsdóttir", purpose='Line\nline "quoted" \\ 🎭\u2028'
        )
        seal(draft, actor, odd)
        consent.check(Attestation.objects.get())

    def test_seal_holds_for_a_basis_without_dates(self, draft: Import, actor: Actor) -> None:
        undated = replace(ANSWERS, lawful_basis="legal_claims", consent_from=None, consent_to=None)
        seal(draft, actor, undated)
        consent.check(Attestation.objects.get())

    def test_equal_answers_have_different_seals(
        self, draft: Import, actor: Actor, make_draft: Callable[..., Import], face_list: FaceList
    ) -> None:
        other = make_draft(face_list, 3)
        assert seal(draft, actor).seal != seal(other, actor).seal


class TestRefusingToSeal:
    @pytest.fixture(autouse=True)
    def nothing_is_stored(self, draft: Import) -> Iterator[None]:
        before = list(AuditEvent.objects.all())
        yield
        assert not Attestation.objects.exists()
        assert list(AuditEvent.objects.filter(action="import.attested")) == []
        assert list(AuditEvent.objects.all())[: len(before)] == before

    def test_signing_requires_an_accepted_image(self, face_list: FaceList, actor: Actor) -> None:
        empty = intake.open_draft(face_list, actor)
        intake.take(empty, "a.txt", b"a", 1, actor)
        with pytest.raises(NothingToSend):
            seal(empty, actor)

    def test_image_added_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = consent.as_it_is(draft)
        intake.take(draft, "new.jpg", draw(9), len(draw(9)), actor)
        with pytest.raises(DraftChanged):
            consent.seal(draft, ANSWERS, actor, shown)

    def test_image_removed_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = consent.as_it_is(draft)
        intake.remove(draft.files.all()[0], actor)
        with pytest.raises(DraftChanged):
            consent.seal(draft, ANSWERS, actor, shown)

    def test_list_changed_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = consent.as_it_is(draft)
        other = FaceList.objects.create(environment="local", persona_id="lst_other")
        intake.change_list(draft, other, actor)
        with pytest.raises(DraftChanged):
            consent.seal(draft, ANSWERS, actor, shown)

    def test_image_replaced_after_display_blocks_signing(self, draft: Import, actor: Actor) -> None:
        shown = consent.as_it_is(draft)
        intake.remove(draft.files.all()[0], actor)
        intake.take(draft, "new.jpg", draw(9), len(draw(9)), actor)
        with pytest.raises(DraftChanged):
            consent.seal(draft, ANSWERS, actor, shown)

    @pytest.mark.parametrize("state", [s for s in Import.State if s != Import.State.DRAFT])
    def test_only_a_draft_can_be_signed(
        self, state: Import.State, draft: Import, actor: Actor
    ) -> None:
        """By its row: the object in the hand still says draft."""
        Import.objects.filter(pk=draft.pk).update(state=state)
        with pytest.raises(AlreadySealed):
            seal(draft, actor)

    def test_worker_cannot_sign(self, draft: Import) -> None:
        with pytest.raises(ValueError, match="Only a person"):
            seal(draft, audit.WORKER)

    def test_signature_that_cannot_be_recorded_is_not_stored(
        self, draft: Import, actor: Actor
    ) -> None:
        number = AuditHead.objects.get().length + 1
        forged = AuditEvent.objects.create(pk=number, at=datetime.now(UTC), hash="forged")
        with pytest.raises(IntegrityError):
            seal(draft, actor)
        forged.delete()


def test_import_is_signed_once(draft: Import, actor: Actor) -> None:
    first = seal(draft, actor)
    draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
    with pytest.raises(AlreadySealed):
        seal(draft, actor, replace(ANSWERS, purpose="Another purpose."))
    assert Attestation.objects.get() == first
    assert Attestation.objects.get().purpose == ANSWERS.purpose


def test_database_refuses_a_second_attestation(draft: Import, actor: Actor) -> None:
    first = seal(draft, actor)
    with pytest.raises(IntegrityError):
        seal(draft, actor, replace(ANSWERS, purpose="Another purpose."))
    assert Attestation.objects.get().seal == first.seal


CHANGES: dict[str, Any] = {
    "statement_version": 2,
    "statement_text": consent.FIRST_STATEMENT + " ",
    "lawful_basis": "legal_claims",
    "jurisdictions": ["us-il", "eu"],
    "purpose": ANSWERS.purpose[:-1],
    "consent_from": date(2026, 1, 6),
    "consent_to": None,
    "notice_version": "4.20",
    "image_source": "public_web",
    "adults_only": False,
    "evidence_reference": "FR-2026-015",
    "manifest_sha256": "0" * 64,
    "image_count": 4,
    "list_persona_id": "lst_other",
    "list_name": "Another list",
    "typed_name": "Maya Okafor ",
    "signed_by_id": None,  # another person: made by the test
    "signed_by_username": "colleague",
    "signed_at": None,  # a microsecond later: worked out by the test
    "signed_from": "192.0.2.8",
    "sign_in_method": "session",
    "seal": "0" * 64,
}


class TestChecking:
    @pytest.fixture
    def sealed(self, draft: Import, actor: Actor) -> Import:
        seal(draft, actor)
        draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
        return draft

    def stored(self) -> Attestation:
        return Attestation.objects.get()

    def broken(self) -> str:
        with pytest.raises(SealBroken) as caught:
            consent.check(self.stored())
        return caught.value.reason

    def test_untouched_seal_holds(self, sealed: Import) -> None:
        consent.check(self.stored())

    def test_every_field_of_the_attestation_is_tried(self) -> None:
        fields = {field.attname for field in Attestation._meta.concrete_fields}
        assert fields == {*CHANGES, "face_import_id"}

    @pytest.mark.parametrize("field", CHANGES)
    def test_changed_field_breaks_the_seal(self, field: str, sealed: Import) -> None:
        value = CHANGES[field]
        if field == "signed_by_id":
            value = User.objects.create_user("colleague").pk
        elif field == "signed_at":
            value = self.stored().signed_at + timedelta(microseconds=1)
        assert Attestation.objects.filter(**{field: value}).count() == 0
        assert Attestation.objects.update(**{field: value}) == 1
        assert self.broken() == "The attestation is not as it was sealed."

    def test_attestation_moved_to_another_import_breaks_the_seal(
        self, sealed: Import, make_draft: Callable[..., Import], face_list: FaceList
    ) -> None:
        """Even to one that holds the same images."""
        twin = make_draft(face_list, 3)
        assert consent.manifest(twin) == consent.manifest(sealed)
        Attestation.objects.update(face_import=twin)
        assert self.broken() == "The attestation is not as it was sealed."

    def test_added_image_breaks_the_seal(self, sealed: Import) -> None:
        Image.objects.create(
            face_import=sealed, byte_size=1, sha256="a" * 64, state=Image.State.ACCEPTED
        )
        assert self.broken() == "The import's images are not those that were attested."

    def test_removed_image_breaks_the_seal(self, sealed: Import) -> None:
        sealed.files.all()[0].delete()
        assert self.broken() == "The import's images are not those that were attested."

    def test_image_rejected_later_breaks_the_seal(self, sealed: Import) -> None:
        first = sealed.files.all()[0]
        Image.objects.filter(pk=first.pk).update(state=Image.State.LEFT_OUT, reason="damaged")
        assert self.broken() == "The import's images are not those that were attested."

    def test_changed_image_hash_breaks_the_seal(self, sealed: Import) -> None:
        first = sealed.files.all()[0]
        Image.objects.filter(pk=first.pk).update(sha256="a" * 64)
        assert self.broken() == "The import's images are not those that were attested."

    def test_other_list_breaks_the_seal(self, sealed: Import) -> None:
        other = FaceList.objects.create(environment="local", persona_id="lst_other")
        Import.objects.filter(pk=sealed.pk).update(face_list=other)
        assert self.broken() == "The import goes to another list than the one that was attested."

    def test_changed_list_id_breaks_the_seal(self, sealed: Import) -> None:
        FaceList.objects.update(persona_id="lst_other")
        assert self.broken() == "The import goes to another list than the one that was attested."

    def test_renamed_list_keeps_the_seal(self, sealed: Import) -> None:
        FaceList.objects.update(name="A better name")
        consent.check(self.stored())

    def test_rejected_file_keeps_the_seal(self, sealed: Import) -> None:
        Image.objects.create(
            face_import=sealed, byte_size=1, state=Image.State.LEFT_OUT, reason="damaged"
        )
        consent.check(self.stored())


FILLED_IN: dict[str, Any] = {
    "lawful_basis": "consent",
    "jurisdictions": ["us-il", "eu"],
    "purpose": "To recognise people confirmed as fraudsters.",
    "consent_from": "2026-01-05",
    "consent_to": "2026-03-31",
    "notice_version": "4.2",
    "image_source": "customer_upload",
    "evidence_reference": "FR-2026-014",
    "adults_only": "on",
    "typed_name": "Maya Okafor",
    "attested": "on",
}
REQUIRED = {
    "lawful_basis": "Choose the lawful basis.",
    "jurisdictions": "Tick at least one place.",
    "purpose": "State the purpose that the subjects were told.",
    "notice_version": "Name the version of the notice that was shown.",
    "image_source": "Choose where the images come from.",
    "evidence_reference": "Say where the evidence can be found.",
    "adults_only": "Images of minors can't be sent: confirm that all are adults.",
    "typed_name": "Type your full name: it is your signature.",
    "attested": "Tick the box to attest the statement.",
}


def errors(**changes: Any) -> dict[str, list[str]]:
    """What the form says to a good answer with these changes; None takes a field away."""
    data = {name: value for name, value in (FILLED_IN | changes).items() if value is not None}
    return {
        name: [str(text) for text in said] for name, said in AttestationForm(data).errors.items()
    }


class TestForm:
    def test_valid_form_becomes_answers(self) -> None:
        form = AttestationForm(FILLED_IN)
        assert form.is_valid()
        assert form.answers() == Answers(
            lawful_basis="consent",
            jurisdictions=["us-il", "eu"],
            purpose="To recognise people confirmed as fraudsters.",
            consent_from=date(2026, 1, 5),
            consent_to=date(2026, 3, 31),
            notice_version="4.2",
            image_source="customer_upload",
            adults_only=True,
            evidence_reference="FR-2026-014",
            typed_name="Maya Okafor",
        )

    def test_empty_form_reports_every_required_field(self) -> None:
        empty = dict.fromkeys(FILLED_IN)
        assert errors(**empty) == {name: [REQUIRED[name]] for name in REQUIRED}

    @pytest.mark.parametrize("field", REQUIRED)
    def test_each_required_field_is_reported_alone(self, field: str) -> None:
        assert errors(**{field: None}) == {field: [REQUIRED[field]]}

    @pytest.mark.parametrize("field", ["purpose", "notice_version", "evidence_reference"])
    def test_blank_text_is_no_answer(self, field: str) -> None:
        assert errors(**{field: " \t\n "}) == {field: [REQUIRED[field]]}

    def test_consent_basis_needs_a_date(self) -> None:
        said = errors(consent_from=None, consent_to=None)
        assert said == {"consent_from": ["Say when the subjects consented."]}

    def test_consent_may_be_given_on_one_day(self) -> None:
        assert errors(consent_to=None) == {}
        assert errors(consent_from="2026-01-05", consent_to="2026-01-05") == {}

    @pytest.mark.parametrize(
        "basis", ["fraud_exemption", "financial_institution", "public_interest", "legal_claims"]
    )
    def test_other_basis_needs_no_date(self, basis: str) -> None:
        assert errors(lawful_basis=basis, consent_from=None, consent_to=None) == {}

    def test_period_needs_its_first_day(self) -> None:
        said = errors(lawful_basis="legal_claims", consent_from=None)
        assert said == {"consent_from": ["Give the first day of the period too."]}

    def test_period_cannot_end_before_it_starts(self) -> None:
        said = errors(consent_from="2026-04-01")
        assert said == {"consent_to": ["The period ends before it begins."]}

    def test_consent_date_cannot_lie_in_the_future(self) -> None:
        later = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
        future = ["This day lies in the future."]
        assert errors(consent_to=later) == {"consent_to": future}
        assert errors(consent_from=later, consent_to=None) == {"consent_from": future}
        assert errors(lawful_basis="legal_claims", consent_to=later) == {"consent_to": future}

    @pytest.mark.parametrize("ahead", [0, 1])  # days: it is tomorrow in Auckland already
    def test_consent_may_be_given_today(self, ahead: int) -> None:
        today = (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()
        assert errors(consent_from=today, consent_to=today) == {}

    @pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "0000-00-00", "99999-01-01"])
    def test_impossible_date_is_refused(self, day: str) -> None:
        said = errors(consent_from=day, consent_to=None)
        assert said["consent_from"][0] == "Enter a valid date."

    @pytest.mark.parametrize("name", ["   ", "\t\n", "\u3000\u2003"])
    def test_blank_name_is_no_signature(self, name: str) -> None:
        assert errors(typed_name=name) == {"typed_name": [REQUIRED["typed_name"]]}

    @pytest.mark.parametrize("name", ["x", "--", "1234", ". M .", "\u200b\u200b\u200b"])
    def test_name_needs_letters(self, name: str) -> None:
        assert errors(typed_name=name) == {"typed_name": ["Type your full name, in letters."]}

    def test_name_in_any_script_is_stripped_and_accepted(self) -> None:
        for given, kept in (("  Maya \t Okafor ", "Maya Okafor"), ("李 娜", "李 娜")):
            form = AttestationForm(FILLED_IN | {"typed_name": given})
            assert form.is_valid()
            assert form.answers().typed_name == kept

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("lawful_basis", "because"),
            ("jurisdictions", ["us-il", "moon"]),
            ("image_source", "elsewhere"),
            ("purpose", "x" * 2001),
            ("notice_version", "x" * 201),
            ("evidence_reference", "x" * 501),
            ("typed_name", "x" * 201),
            ("purpose", "a\x00b"),
        ],
    )
    def test_answer_that_cannot_be_stored_is_refused(self, field: str, value: Any) -> None:
        assert set(errors(**{field: value})) == {field}


def shown(version: object, manifest: object = "a" * 64, face_list: object = 7) -> Shown | None:
    told = {"statement_version": version, "manifest_sha256": manifest, "shown_list": face_list}
    return ShownForm(told).shown()


class TestShown:
    def test_shown_statement_is_found_by_its_version(self) -> None:
        assert shown("1") == Shown(consent.statement(), "a" * 64, 7)

    def test_outdated_statement_version_is_refused(self) -> None:
        consent.statement()
        newer = Statement.objects.create(version=2, text="A new wording.")
        assert shown("1") is None
        assert shown("2") == Shown(newer, "a" * 64, 7)

    @pytest.mark.parametrize("version", ["", "one", "0", "-1", "3", "1.5", "9" * 40])
    def test_unknown_statement_version_is_refused(self, version: str) -> None:
        assert shown(version) is None

    @pytest.mark.parametrize(
        "manifest", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\nb"]
    )
    def test_malformed_manifest_hash_is_refused(self, manifest: str) -> None:
        assert shown("1", manifest) is None

    @pytest.mark.parametrize("face_list", ["", "lst_7", "7 or 8"])
    def test_missing_list_is_refused(self, face_list: str) -> None:
        assert shown("1", face_list=face_list) is None
