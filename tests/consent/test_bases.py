"""Lawful bases: where each may be used, what each asks, and how long images may be kept."""

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers.consent import bases
from importers.consent.bases import NO_SOURCE, TABLE, Term, Verdict
from importers.models import Attestation
from importers.models.consent import Jurisdiction, LawfulBasis

TODAY = date(2026, 11, 24)
EVERY_PAIR = list(product(LawfulBasis, Jurisdiction))
OTHER_BASES = [basis for basis in LawfulBasis if basis != "consent"]
REFUSED = {
    *(("fraud_exemption", place) for place in ("us-il", "eu", "uk")),
    *(("financial_institution", place) for place in ("eu", "uk", "other")),
    ("public_interest", "us-il"),
}
ALLOWED = {
    *(("consent", place) for place in ("us-il", "us-tx", "us-wa", "us-co")),
    ("financial_institution", "us-wa"),
}


def pairs_with(verdict: Verdict) -> set[tuple[str, str]]:
    return {pair for pair in EVERY_PAIR if bases.cell(*pair).verdict == verdict}


def answers(term_ends_on: date, *jurisdictions: str, basis: str = "consent") -> Attestation:
    return Attestation(
        lawful_basis=basis, jurisdictions=list(jurisdictions), term_ends_on=term_ends_on
    )


class TestTable:
    @pytest.mark.parametrize("pair", TABLE, ids=" in ".join)
    def test_each_cell_has_a_reason_and_a_source(
        self, pair: tuple[LawfulBasis, Jurisdiction]
    ) -> None:
        assert TABLE[pair].reason.endswith(".")
        assert TABLE[pair].source

    def test_pair_without_a_cell_warns_that_no_source_is_known(self) -> None:
        others = [pair for pair in EVERY_PAIR if pair not in TABLE]
        assert {bases.cell(*pair) for pair in others} == {NO_SOURCE}
        assert NO_SOURCE.verdict == Verdict.WARNING
        assert bases.cautions("consent", ["us"]) == [
            "Elsewhere in the United States: Consentry knows no source for this basis here. "
            "(no source known)"
        ]

    def test_these_pairs_alone_are_refused(self) -> None:
        assert pairs_with(Verdict.REFUSED) == REFUSED

    def test_these_pairs_alone_need_no_warning(self) -> None:
        assert pairs_with(Verdict.ALLOWED) == ALLOWED

    def test_each_refused_jurisdiction_has_its_own_sentence(self) -> None:
        found = bases.refusals("fraud_exemption", ["us-il", "us-tx", "uk"])
        assert found == [
            "Illinois (BIPA): Illinois requires a written release and has no such exemption. "
            "(740 ILCS 14/15(b))",
            "United Kingdom (UK GDPR): UK law allows this through an anti-fraud organisation only. "
            "Use substantial public interest if that applies. "
            "(Data Protection Act 2018, Sch. 1 para. 14)",
        ]

    def test_refused_pair_is_no_warning(self) -> None:
        assert bases.cautions("fraud_exemption", ["us-il"]) == []
        assert bases.refusals("consent", Jurisdiction.values) == []


class TestQuestions:
    @pytest.mark.parametrize("basis", LawfulBasis)
    @pytest.mark.parametrize("place", Jurisdiction)
    def test_grounds_are_asked_under_gdpr_only(self, basis: str, place: str) -> None:
        grounds = set(bases.OF_GDPR) & set(bases.questions(basis, ["us-tx", place]))
        assert grounds == (set(bases.OF_GDPR) if place in ("eu", "uk") else set())

    def test_consent_is_asked_how_it_was_given_and_can_be_withdrawn(self) -> None:
        asked = bases.questions("consent", ["us-il"])
        assert asked == (
            *("lawful_basis", "jurisdictions", "evidence_kind", "notice_version"),
            *("consent_from", "consent_to", "withdrawal_route", "purpose", "image_source"),
            *("evidence_reference", "term_ends_on", "adults_only"),
        )

    @pytest.mark.parametrize("basis", OTHER_BASES)
    def test_other_basis_is_asked_who_decided_and_by_which_law(self, basis: str) -> None:
        asked = bases.questions(basis, ["us"])
        assert asked == (
            *("lawful_basis", "jurisdictions", "law", "decided_by", "decided_on"),
            *("assessment_reference", "informed_on", "not_informed_reason", "purpose"),
            *("image_source", "evidence_reference", "term_ends_on", "adults_only"),
        )

    def test_each_answer_belongs_to_some_basis(self) -> None:
        asked = {name for basis in LawfulBasis for name in bases.questions(basis, ["eu"])}
        assert asked == set(bases.ANSWERS)


class TestTerm:
    @pytest.mark.parametrize(
        ("places", "months"),
        [
            ([], 12),
            (["us-il"], 36),
            (["us-il", "us-co"], 24),
            (["us-co", "us-il", "us-tx"], 12),
            (["us-il", "us"], 12),
            (["other"], 12),
            (["us-il", "uk"], 12),
        ],
    )
    def test_shortest_term_of_the_jurisdictions_is_suggested(
        self, places: list[str], months: int
    ) -> None:
        assert bases.suggested_term(places).months == months

    @pytest.mark.parametrize(
        ("start", "months", "end"),
        [
            (date(2026, 11, 24), 36, date(2029, 11, 24)),
            (date(2028, 2, 29), 12, date(2029, 2, 28)),
            (date(2027, 2, 28), 12, date(2028, 2, 28)),
            (date(2026, 12, 31), 2, date(2027, 2, 28)),
            (date(2026, 3, 31), 1, date(2026, 4, 30)),
            (date(2026, 1, 1), 11, date(2026, 12, 1)),
        ],
    )
    def test_term_ends_on_the_same_day_of_a_later_month(
        self, start: date, months: int, end: date
    ) -> None:
        assert Term(months, "").ends(start) == end

    @given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(1, 240))
    def test_every_term_ends_in_its_month(self, start: date, months: int) -> None:
        end = Term(months, "").ends(start)
        assert (end.year - start.year) * 12 + end.month - start.month == months
        assert end.day == start.day or (end.day < start.day and (end + timedelta(days=1)).day == 1)

    def test_suggested_term_needs_no_warning(self) -> None:
        assert bases.warnings(answers(date(2029, 11, 24), "us-il"), TODAY) == []

    def test_longer_term_must_be_confirmed(self) -> None:
        assert bases.warnings(answers(date(2029, 11, 25), "us-il"), TODAY) == [
            "The images are kept for more than 36 months. Illinois: at most 3 years after the last "
            "interaction, 740 ILCS 14/15(a)."
        ]

    def test_each_warning_is_confirmed_apart(self) -> None:
        found = bases.warnings(answers(date(2029, 1, 1), "eu", "uk", "us-il"), TODAY)
        assert [sentence.split(":")[0] for sentence in found] == [
            "EU or EEA (GDPR)",
            "United Kingdom (UK GDPR)",
            "The images are kept for more than 12 months. GDPR",
        ]
