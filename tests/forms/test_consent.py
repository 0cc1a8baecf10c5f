"""The form of the attestation, and the hidden fields that say what was shown."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from importers.consent.attestation import Answers, Shown
from importers.forms.consent import AttestationForm, ShownForm

pytestmark = pytest.mark.django_db
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
    "jurisdictions": "Select at least one jurisdiction.",
    "purpose": "Enter the purpose as stated to the subjects.",
    "notice_version": "Enter the version of the notice that was shown.",
    "image_source": "Choose the source of the images.",
    "evidence_reference": "Enter where the evidence is kept.",
    "adults_only": "Confirm that every person is an adult. Minors are not allowed.",
    "typed_name": "Type your full name. It is your signature.",
    "attested": "Select the box to attest to the statement.",
}


def errors(**changes: Any) -> dict[str, list[str]]:
    """Return the errors of a valid form with these changes; None removes a field."""
    data = {name: value for name, value in (FILLED_IN | changes).items() if value is not None}
    return {
        name: [str(text) for text in texts] for name, texts in AttestationForm(data).errors.items()
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
        found = errors(consent_from=None, consent_to=None)
        assert found == {"consent_from": ["Enter when the subjects consented."]}

    def test_consent_may_be_given_on_one_day(self) -> None:
        assert errors(consent_to=None) == {}
        assert errors(consent_from="2026-01-05", consent_to="2026-01-05") == {}

    @pytest.mark.parametrize(
        "basis", ["fraud_exemption", "financial_institution", "public_interest", "legal_claims"]
    )
    def test_other_basis_needs_no_date(self, basis: str) -> None:
        assert errors(lawful_basis=basis, consent_from=None, consent_to=None) == {}

    def test_period_needs_its_first_day(self) -> None:
        found = errors(lawful_basis="legal_claims", consent_from=None)
        assert found == {"consent_from": ["Enter the first day of the period too."]}

    def test_period_cannot_end_before_it_starts(self) -> None:
        found = errors(consent_from="2026-04-01")
        assert found == {"consent_to": ["The period ends before it starts."]}

    def test_consent_date_cannot_lie_in_the_future(self) -> None:
        later = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
        future = ["This date is in the future."]
        assert errors(consent_to=later) == {"consent_to": future}
        assert errors(consent_from=later, consent_to=None) == {"consent_from": future}
        assert errors(lawful_basis="legal_claims", consent_to=later) == {"consent_to": future}

    @pytest.mark.parametrize("days_ahead", [0, 1])
    def test_consent_may_be_given_today(self, days_ahead: int) -> None:
        """In Auckland today may already be the next date."""
        today = (datetime.now(UTC).date() + timedelta(days=days_ahead)).isoformat()
        assert errors(consent_from=today, consent_to=today) == {}

    @pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "0000-00-00", "99999-01-01"])
    def test_impossible_date_is_refused(self, day: str) -> None:
        found = errors(consent_from=day, consent_to=None)
        assert found["consent_from"][0] == "Enter a valid date."

    @pytest.mark.parametrize("name", ["   ", "\t\n", "\u3000\u2003"])
    def test_blank_name_is_no_signature(self, name: str) -> None:
        assert errors(typed_name=name) == {"typed_name": [REQUIRED["typed_name"]]}

    @pytest.mark.parametrize("name", ["x", "--", "1234", ". M .", "\u200b\u200b\u200b"])
    def test_name_needs_letters(self, name: str) -> None:
        assert errors(typed_name=name) == {"typed_name": ["Type your full name in letters."]}

    def test_name_in_any_script_is_stripped_and_accepted(self) -> None:
        for typed, kept in (("  Maya \t Okafor ", "Maya Okafor"), ("李 娜", "李 娜")):
            form = AttestationForm(FILLED_IN | {"typed_name": typed})
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


def read_shown(version: object, manifest: object = "a" * 64, face_list: object = 7) -> Shown | None:
    fields = {"statement_version": version, "manifest_sha256": manifest, "shown_list": face_list}
    return ShownForm(fields).shown()


class TestShown:
    def test_page_says_what_it_showed(self) -> None:
        assert read_shown("1") == Shown(1, "a" * 64, 7)

    @pytest.mark.parametrize("version", ["", "one", "1.5"])
    def test_malformed_statement_version_is_refused(self, version: str) -> None:
        assert read_shown(version) is None

    @pytest.mark.parametrize(
        "manifest", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\nb"]
    )
    def test_malformed_manifest_hash_is_refused(self, manifest: str) -> None:
        assert read_shown("1", manifest) is None

    @pytest.mark.parametrize("face_list", ["", "lst_7", "7 or 8"])
    def test_missing_list_is_refused(self, face_list: str) -> None:
        assert read_shown("1", face_list=face_list) is None
