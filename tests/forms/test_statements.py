"""The form of a new version of a statement."""

from typing import Any

import pytest

from importers.consent import statements
from importers.forms.statements import MAX_CHARACTERS, StatementForm
from importers.models import Statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def in_force() -> Statement:
    return statements.in_force("consent")


def errors(in_force: Statement, text: str, based_on: object = 1) -> dict[str, Any]:
    form = StatementForm({"text": text, "based_on": based_on}, in_force=in_force)
    return {name: [str(text) for text in texts] for name, texts in form.errors.items()}


def cleaned(in_force: Statement, text: str) -> str:
    form = StatementForm({"text": text, "based_on": 1}, in_force=in_force)
    assert form.is_valid(), form.errors
    published: str = form.cleaned_data["text"]
    return published


def test_form_starts_with_the_text_in_force(in_force: Statement) -> None:
    assert StatementForm(in_force=in_force)["text"].value() == in_force.text


def test_browsers_do_not_shorten_a_long_text(in_force: Statement) -> None:
    assert "maxlength" not in str(StatementForm(in_force=in_force))


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("One.\r\n\r\nTwo.", "One.\n\nTwo."),
        ("\n One. \nTwo.\t\n\n", "One.\nTwo."),
        ("1.\tOne.", "1. One."),
        ("§\u00a05: “naïve” – 人", "§\u00a05: “naïve” – 人"),
    ],
)
def test_text_is_stored_as_readers_see_it(typed: str, stored: str, in_force: Statement) -> None:
    assert cleaned(in_force, typed) == stored


@pytest.mark.parametrize("text", ["", "   ", "\r\n\t\n"])
def test_empty_text_is_refused(text: str, in_force: Statement) -> None:
    assert errors(in_force, text) == {"text": ["Enter the text of the statement."]}


@pytest.mark.parametrize("ending", ["", "\n\n", "  "])
def test_unchanged_text_is_refused(ending: str, in_force: Statement) -> None:
    as_sent = in_force.text.replace("\n", "\r\n") + ending
    assert errors(in_force, as_sent) == {
        "text": ["This is the text of version 1, which is in force. Change it, then preview it."]
    }


def test_text_of_10_000_characters_is_accepted(in_force: Statement) -> None:
    text = "é" * (MAX_CHARACTERS - 2) + "\r\nb"  # a line ends with one character
    assert len(cleaned(in_force, text)) == 10_000


def test_longer_text_is_refused(in_force: Statement) -> None:
    assert errors(in_force, "a" * 10_001) == {
        "text": ["The text has 10,001 characters. At most 10,000 are allowed."]
    }


@pytest.mark.parametrize(
    "letter", ["\0", "\a", "\r", "\x1b", "\x7f", "\x85", "\u200b", "\u202e", "\u2028", "\ue000"]
)
def test_invisible_character_is_refused(letter: str, in_force: Statement) -> None:
    assert errors(in_force, f"One.\r\nTwo{letter} words.") == {
        "text": [f"Line 2 contains an invisible character (U+{ord(letter):04X}). Remove it."]
    }


@pytest.mark.parametrize("based_on", [0, 2, "", "one", "9" * 40])
def test_other_version_than_the_one_in_force_is_refused(
    based_on: object, in_force: Statement
) -> None:
    form = StatementForm({"text": "My wording.", "based_on": based_on}, in_force=in_force)
    assert form.is_outdated
    assert form.non_field_errors() == [
        "Version 1 was published after this page was shown. Your text is kept. "
        "Compare the two, then preview your text again."
    ]


def test_text_need_not_say_that_the_name_is_a_signature(in_force: Statement) -> None:
    assert errors(in_force, "I attest to nothing but this.") == {}
