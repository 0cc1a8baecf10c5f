"""The answers of an attestation for each basis, the signature, and what the page showed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from importers.consent import bases
from importers.consent.attestation import Shown
from importers.forms.consent import NOT_INFORMED, AttestationForm, ShownForm, SignatureForm
from importers.models import Person
from importers.models.consent import LawfulBasis
from tests.support.attestations import typed

pytestmark = pytest.mark.django_db
TODAY = datetime.now(UTC).date()
TEN_YEARS = bases.Term(120, "").ends(TODAY)
REQUIRED = {
    "lawful_basis": "Choose the lawful basis.",
    "jurisdictions": "Select at least one jurisdiction.",
    "purpose": "Enter the purpose.",
    "image_source": "Choose the source of the images.",
    "evidence_reference": "Enter where the evidence is kept.",
    "term_ends_on": "Enter the last day on which the images may be kept.",
    "adults_only": "Confirm that every person is an adult. Minors are not allowed.",
}
REQUIRED_FOR_CONSENT = {
    "evidence_kind": "Choose how the consent was recorded.",
    "notice_version": "Enter the version of the notice that was shown.",
    "consent_from": "Enter when the subjects consented.",
    "withdrawal_route": "Enter how people can withdraw their consent.",
}
REQUIRED_OTHERWISE = {
    "law": "Enter the law and the paragraph.",
    "decided_by": "Enter who decided.",
    "decided_on": "Enter when this was decided.",
    "assessment_reference": "Enter where the assessment is kept.",
}
REQUIRED_UNDER_GDPR = {
    "article_6_ground": "Choose the ground under Article 6.",
    "article_9_ground": "Choose the ground under Article 9.",
}


def form_of(basis: str = "consent", /, **changes: Any) -> AttestationForm:
    """Return a complete form with these changes; None removes a field."""
    given = typed(basis) | changes
    return AttestationForm({name: value for name, value in given.items() if value is not None})


def errors(basis: str = "consent", /, **changes: Any) -> dict[str, str]:
    found = form_of(basis, **changes).errors
    return {name: " ".join(map(str, texts)) for name, texts in found.items()}


def in_days(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


class TestEachBasis:
    @pytest.mark.parametrize("basis", LawfulBasis)
    def test_complete_answers_become_an_attestation(self, basis: str) -> None:
        form = form_of(basis)
        assert form.is_valid(), form.errors
        asked = bases.questions(basis, form.instance.jurisdictions)
        given = {name: str(value) for name, value in typed(basis).items() if name in asked}
        stored = {name: str(getattr(form.instance, name)) for name in given}
        assert stored == given | {"adults_only": "True"}

    @pytest.mark.parametrize("basis", LawfulBasis)
    def test_answers_that_are_not_asked_for_are_dropped(self, basis: str) -> None:
        every_answer = typed("public_interest") | typed("consent") | typed(basis)
        form = AttestationForm(every_answer | {"jurisdictions": ["us-wa"]})
        assert form.is_valid() or set(form.errors) == {"lawful_basis"}
        others = set(bases.ANSWERS).difference(bases.questions(basis, ["us-wa"]))
        assert {"article_6_ground", "article_9_ground"} < others
        assert {getattr(form.instance, name) for name in others} == {"", None}

    def test_errors_of_answers_that_are_not_asked_for_are_dropped(self) -> None:
        wrong: dict[str, Any] = {
            "law": "x" * 501,
            "decided_on": "yesterday",
            "informed_on": "2999-01-01",
            "article_9_ground": "9(2)(z)",
        }
        form = form_of("consent", **wrong)
        assert form.is_valid()
        assert (form.instance.law, form.instance.decided_on) == ("", None)
        wrong = {"notice_version": "x" * 201, "consent_from": "0001-01-01", "evidence_kind": "no"}
        assert errors("fraud_exemption", **wrong) == {}

    def test_empty_form_reports_what_every_basis_needs(self) -> None:
        assert errors(**dict.fromkeys(typed())) == REQUIRED

    @pytest.mark.parametrize("field", REQUIRED | REQUIRED_FOR_CONSENT)
    def test_each_answer_about_consent_is_required(self, field: str) -> None:
        sentence = (REQUIRED | REQUIRED_FOR_CONSENT)[field]
        assert errors(**{field: None}) == {field: sentence}

    @pytest.mark.parametrize("basis", [basis for basis in LawfulBasis if basis != "consent"])
    @pytest.mark.parametrize("field", REQUIRED_OTHERWISE)
    def test_each_answer_about_the_law_is_required(self, field: str, basis: str) -> None:
        assert errors(basis, **{field: None}) == {field: REQUIRED_OTHERWISE[field]}

    @pytest.mark.parametrize("place", ["eu", "uk"])
    @pytest.mark.parametrize("field", REQUIRED_UNDER_GDPR)
    def test_each_ground_is_required_under_gdpr(self, field: str, place: str) -> None:
        grounds = {"article_6_ground": "6(1)(a)", "article_9_ground": "9(2)(a)"}
        places = {"jurisdictions": ["us-il", place]}
        assert errors(**places | grounds) == {}
        assert errors(**places | grounds | {field: ""}) == {field: REQUIRED_UNDER_GDPR[field]}

    def test_subjects_were_informed_or_a_reason_is_given(self) -> None:
        basis, nothing = "fraud_exemption", {"informed_on": "", "not_informed_reason": " "}
        assert errors(basis, **nothing) == {"informed_on": NOT_INFORMED}
        assert errors(basis, **nothing | {"informed_on": "2026-02-01"}) == {}
        assert errors(basis, **nothing | {"not_informed_reason": "An investigation."}) == {}

    def test_refused_pair_is_an_error_of_the_basis(self) -> None:
        found = errors("fraud_exemption", jurisdictions=["us-tx", "us-il"])
        (sentence,) = bases.refusals("fraud_exemption", ["us-il"])
        assert found == {"lawful_basis": sentence}

    @pytest.mark.parametrize(
        ("basis", "place", "ground", "sentence"),
        [
            ("consent", "eu", "9(2)(g)", "This basis needs 9(2)(a) explicit consent."),
            ("legal_claims", "uk", "9(2)(a)", "This basis needs 9(2)(f) legal claims."),
            (
                *("public_interest", "uk", "9(2)(f)"),
                "This basis needs 9(2)(g) substantial public interest.",
            ),
            (
                *("legal_obligation", "eu", "9(2)(a)"),
                "This basis needs 9(2)(b) employment and social security law or "
                "9(2)(g) substantial public interest.",
            ),
        ],
    )
    def test_ground_under_article_9_fits_the_basis(
        self, basis: str, place: str, ground: str, sentence: str
    ) -> None:
        grounds = {"article_6_ground": "6(1)(f)", "article_9_ground": ground}
        found = errors(basis, jurisdictions=[place], **grounds)
        assert found == {"article_9_ground": sentence}


class TestDays:
    @pytest.mark.parametrize(
        ("basis", "field"),
        [
            ("consent", "consent_from"),
            ("consent", "consent_to"),
            ("legal_claims", "decided_on"),
            ("legal_claims", "informed_on"),
        ],
    )
    def test_day_lies_between_1990_and_today(self, basis: str, field: str) -> None:
        rest = {"consent_from": "1990-01-01"} if field == "consent_to" else {}

        def error(day: str) -> str:
            return errors(basis, **rest | {field: day}).get(field, "")

        early = "This date is before 1990. Check the year."
        assert error("0001-01-01").startswith(early)
        assert error("1989-12-31").startswith(early)
        assert error(in_days(2)) == "This date is in the future."

    @pytest.mark.parametrize("days_ahead", [0, 1])
    def test_consent_may_be_given_today(self, days_ahead: int) -> None:
        """In Auckland today may already be the next date."""
        today = in_days(days_ahead)
        assert errors(consent_from=today, consent_to=today) == {}

    def test_consent_may_be_given_on_one_day(self) -> None:
        assert errors(consent_to=None) == {}
        assert errors(consent_from="2026-01-05", consent_to="2026-01-05") == {}

    def test_period_cannot_end_before_it_starts(self) -> None:
        found = errors(consent_from="2026-04-01")
        assert found == {"consent_to": "The period ends before it starts."}

    @pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "0000-00-00", "99999-01-01"])
    def test_impossible_day_is_refused(self, day: str) -> None:
        assert errors(consent_from=day) == {"consent_from": "Enter a valid date."}
        assert errors(term_ends_on=day) == {"term_ends_on": "Enter a valid date."}

    @pytest.mark.parametrize("day", ["0001-01-01", in_days(-1), in_days(0)])
    def test_term_ends_in_the_future(self, day: str) -> None:
        assert errors(term_ends_on=day) == {"term_ends_on": "This date is not in the future."}

    def test_term_is_at_most_ten_years(self) -> None:
        assert errors(term_ends_on=in_days(1)) == {}
        assert errors(term_ends_on=TEN_YEARS.isoformat()) == {}
        longer = (TEN_YEARS + timedelta(days=1)).isoformat()
        sentence = "This is more than ten years ahead. Check the year."
        assert errors(term_ends_on=longer) == {"term_ends_on": sentence}


class TestText:
    @pytest.mark.parametrize(
        "field", ["purpose", "notice_version", "evidence_reference", "withdrawal_route"]
    )
    def test_blank_text_is_no_answer(self, field: str) -> None:
        assert set(errors(**{field: " \t\n "})) == {field}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("lawful_basis", "because"),
            ("jurisdictions", ["us-il", "moon"]),
            ("image_source", "elsewhere"),
            ("evidence_kind", "by ear"),
            ("purpose", "x" * 2001),
            ("notice_version", "x" * 201),
            ("evidence_reference", "x" * 501),
            ("purpose", "a\x00b"),
        ],
    )
    def test_answer_that_cannot_be_stored_is_refused(self, field: str, value: Any) -> None:
        assert set(errors(**{field: value})) == {field}

    def test_unknown_choices_do_not_choose_questions(self) -> None:
        assert form_of(jurisdictions=["moon", "uk"]).chosen == ("consent", ["uk"])
        assert form_of(lawful_basis="because").chosen == ("", ["us-il", "us-tx"])
        assert AttestationForm().chosen == ("", [])


COSTS = {"bulk": "1 request", "one_by_one": "3 requests"}


class TestSignature:
    def errors(self, officer: Person, asked: list[str], **changes: str) -> dict[str, Any]:
        signed = {
            "mode": "bulk",
            "attested": "on",
            "typed_name": "maya okafor",
            "password": "right",
        }

        def is_password(given: str) -> bool:
            asked.append(given)
            return given == "right"

        form = SignatureForm(
            signed | changes,
            person=officer,
            to_confirm=[],
            costs=COSTS,
            is_password=is_password,
            is_recent=True,
        )
        return dict(form.errors)

    def test_password_is_checked_as_typed(self, officer: Person) -> None:
        asked: list[str] = []
        assert self.errors(officer, asked) == {}
        assert set(self.errors(officer, asked, password=" right ")) == {"password"}
        assert asked == ["right", " right "]

    @pytest.mark.parametrize("wrong", ["attested", "typed_name", "mode"])
    def test_password_is_checked_last(self, wrong: str, officer: Person) -> None:
        """Each wrong one counts against the account."""
        asked: list[str] = []
        assert set(self.errors(officer, asked, **{wrong: ""}, password="no")) == {wrong}
        assert asked == []

    def test_name_is_kept_as_the_account_has_it(self, officer: Person) -> None:
        form = SignatureForm(
            {"typed_name": " maya  OKAFOR ", "mode": "one_by_one", "attested": "on"},
            person=officer,
            to_confirm=[],
            costs=COSTS,
            is_password=lambda _: True,
            is_recent=True,
        )
        assert set(form.errors) == {"password"}
        assert form.cleaned_data["typed_name"] == "Maya Okafor"


class TestShown:
    def read(self, **changes: str) -> Shown | None:
        fields = {"account_id": "3", "face_list_id": "7", "statement_version": "1"}
        hashes = {"answers_sha256": "a" * 64, "manifest_sha256": "b" * 64}
        return ShownForm(fields | hashes | changes).shown()

    def test_page_says_what_it_showed(self) -> None:
        asked = self.read(needs_approval="yes")
        assert self.read() == Shown(3, 7, 1, "a" * 64, "b" * 64, False)
        assert asked == Shown(3, 7, 1, "a" * 64, "b" * 64, True)

    @pytest.mark.parametrize("field", ["account_id", "face_list_id", "statement_version"])
    @pytest.mark.parametrize("number", ["", "one", "1.5", "7 or 8"])
    def test_malformed_number_is_refused(self, number: str, field: str) -> None:
        assert self.read(**{field: number}) is None

    @pytest.mark.parametrize("field", ["answers_sha256", "manifest_sha256"])
    @pytest.mark.parametrize(
        "digest", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\nb"]
    )
    def test_malformed_hash_is_refused(self, digest: str, field: str) -> None:
        assert self.read(**{field: digest}) is None


def test_term_that_is_suggested_is_valid() -> None:
    for places in (["us-il"], ["us-co"], ["other"]):
        suggested = bases.suggested_term(places).ends(date.today())
        assert errors(jurisdictions=places, term_ends_on=suggested.isoformat()) == {}
