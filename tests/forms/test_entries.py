"""What is said about the people on the images."""

from typing import Any

import pytest

from importers.forms.entries import DefaultEntryForm, EntryForm, count_personal
from importers.models import Entry


def test_complete_entry_is_read() -> None:
    given = {
        "subject_reference": " S-17 ",
        "case_reference": "FR-2026-014",
        "listing_reason": "account_takeover",
        "note": "Seen twice.\nAt two branches.",
    }
    form = EntryForm(given)
    assert form.is_valid()
    assert form.entry() == Entry(
        "S-17", "FR-2026-014", "account_takeover", "Seen twice.\nAt two branches."
    )


def test_empty_entry_is_valid() -> None:
    assert DefaultEntryForm({}).is_valid()
    assert DefaultEntryForm({}).entry() == Entry()


@pytest.mark.parametrize(
    "typed", ["FR\t7", "FR\n7", "FR\r\n7", "FR\x00\x1f7", "FR\u20287", "FR\x857", "\tFR 7\n"]
)
def test_reference_stays_on_one_line_without_tabs(typed: str) -> None:
    """Both would end a column of the manifest."""
    form = EntryForm({"case_reference": typed, "subject_reference": typed})
    assert form.entry() == Entry(subject_reference="FR 7", case_reference="FR 7")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"listing_reason": "because"}, "Select a valid choice."),
        ({"case_reference": "x" * 201}, "at most 200 characters"),
        ({"note": "x" * 2001}, "at most 2000 characters"),
        ({"note": "a\x00b"}, "Null characters are not allowed."),
    ],
)
def test_wrong_value_is_reported_and_left_out(wrong: dict[str, Any], sentence: str) -> None:
    form = DefaultEntryForm({"listing_reason": "enrolled", "case_reference": "FR-1"} | wrong)
    ((field, texts),) = form.errors.items()
    assert [field] == list(wrong)
    assert sentence in str(texts)
    assert getattr(form.entry(), field) == ""
    assert form.entry() != Entry()


def test_other_reason_is_explained_in_the_note() -> None:
    form = DefaultEntryForm({"listing_reason": "other", "note": " "})
    assert dict(form.errors) == {"note": ["Explain the reason in the note."]}
    assert DefaultEntryForm({"listing_reason": "other", "note": "A bet."}).is_valid()


@pytest.mark.parametrize(
    "reference",
    ["maya@example.com", "Maya Okafor", "Okafor, Maya", "Zoë Ólafsdóttir", "Anne-Marie Neill"],
)
def test_name_or_address_looks_personal(reference: str) -> None:
    assert count_personal([reference, "S-17"]) == 1


@pytest.mark.parametrize("reference", ["", "S-17", "FR-2026-014", "cus_8GhT2", "4711", "Case 12"])
def test_opaque_reference_does_not_look_personal(reference: str) -> None:
    assert count_personal([reference]) == 0
