"""The answers of a draft: kept as typed, shown again, and checked on request."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict

from importers.audit.actors import Actor
from importers.consent import bases
from importers.forms import drafts
from importers.models import FaceList, Import
from tests.support.attestations import TODAY, sign, typed
from tests.support.makers import MakeDraft

pytestmark = pytest.mark.django_db


def posted(**values: str | list[str]) -> QueryDict:
    form = QueryDict(mutable=True)
    for name, value in values.items():
        form.setlist(name, value if isinstance(value, list) else [value])
    return form


def draft_with(**values: Any) -> Import:
    """A draft that is not stored, with these answers as typed."""
    answers = {
        name: value if isinstance(value, list) else [value] for name, value in values.items()
    }
    return Import(draft_answers=answers)


class TestAsTyped:
    def test_answers_and_entry_are_kept_as_typed(self) -> None:
        form = posted(
            purpose=" To recognise ",
            jurisdictions=["us-il", "eu"],
            term_ends_on="soon",
            note="A\nB",
        )
        assert drafts.as_typed(form) == {
            "purpose": [" To recognise "],
            "jurisdictions": ["us-il", "eu"],
            "term_ends_on": ["soon"],
            "note": ["A\nB"],
        }

    def test_unknown_names_and_empty_values_are_not_kept(self) -> None:
        form = posted(
            csrfmiddlewaretoken="secret", password="secret", typed_name="Maya", review="yes", law=""
        )
        assert drafts.as_typed(form) == {}

    def test_value_that_cannot_be_stored_is_cut(self) -> None:
        form = posted(purpose="a\x00b", note="x" * 5000)
        assert drafts.as_typed(form) == {"purpose": ["ab"], "note": ["x" * 4000]}


class TestShown:
    def test_answers_are_shown_without_being_judged(self) -> None:
        wrong = draft_with(lawful_basis="because", term_ends_on="soon", listing_reason="other")
        for form in drafts.shown(wrong):
            assert form.errors == {}
        answers, entry = drafts.shown(wrong)
        assert answers["term_ends_on"].value() == "soon"
        assert entry["listing_reason"].value() == "other"

    def test_suggested_term_is_filled_in(self) -> None:
        answers, _ = drafts.shown(draft_with(jurisdictions=["us-il", "us-co"]))
        suggested = bases.suggested_term(["us-co"]).ends(TODAY)
        assert answers["term_ends_on"].value() == suggested.isoformat()

    def test_typed_term_is_kept(self) -> None:
        answers, _ = drafts.shown(draft_with(jurisdictions=["us-il"], term_ends_on="2027-01-01"))
        assert answers["term_ends_on"].value() == "2027-01-01"

    @pytest.mark.parametrize("places", [[], ["moon"]])
    def test_term_is_not_suggested_without_a_jurisdiction(self, places: list[str]) -> None:
        answers, _ = drafts.shown(draft_with(jurisdictions=places))
        assert not answers["term_ends_on"].value()


class TestChecked:
    def test_complete_answers_are_valid(self) -> None:
        given = drafts.checked(draft_with(**typed("fraud_exemption")))
        assert given.are_valid()
        assert given.answers.instance.law == "Tex. Bus. & Com. Code 503.001(e)(3)"
        assert given.entry.entry().case_reference == "FR-2026-014"

    def test_each_form_is_checked(self) -> None:
        """The entry's errors are shown even if the answers have some too."""
        given = drafts.checked(draft_with(**typed(purpose="", listing_reason="other")))
        assert not given.are_valid()
        assert set(given.answers.errors) == {"purpose"}
        assert set(given.entry.errors) == {"note"}

    def test_empty_draft_is_not_valid(self) -> None:
        assert "lawful_basis" in drafts.checked(Import()).answers.errors


class TestReused:
    def test_only_the_term_and_the_tick_are_asked_again(
        self, make_draft: MakeDraft, face_list: FaceList, actor: Actor
    ) -> None:
        term = TODAY + timedelta(days=30)
        signed = sign(make_draft(face_list, 1), actor, term_ends_on=term)
        answers = drafts.reused(signed)
        assert answers["consent_from"] == ["2026-01-05"]
        assert answers["jurisdictions"] == ["us-il"]
        assert "law" not in answers
        given = drafts.checked(Import(draft_answers=answers))
        assert set(given.answers.errors) == {"term_ends_on", "adults_only"}
