"""How one wording differs from another."""

import pytest

from importers.consent import changes

OLD = "I attest:\n\n1. Adults only.\n2. With a release.\n\nMy name is my signature."


def marked(new: str, old: str = OLD) -> list[tuple[str, str]]:
    """Return each line that changed, and what became of it."""
    lines = changes.between(old, new)
    return [(line.label, line.text) for line in lines if line.label != "Unchanged"]


def test_changed_line_is_removed_and_added() -> None:
    assert marked(OLD.replace("Adults only", "Over 18 only")) == [
        ("Removed", "1. Adults only."),
        ("Added", "1. Over 18 only."),
    ]


def test_line_that_moved_is_removed_and_added() -> None:
    moved = OLD.replace(
        "1. Adults only.\n2. With a release.", "2. With a release.\n1. Adults only."
    )
    assert sorted(marked(moved)) in (
        [("Added", "1. Adults only."), ("Removed", "1. Adults only.")],
        [("Added", "2. With a release."), ("Removed", "2. With a release.")],
    )


@pytest.mark.parametrize(
    ("new", "label"),
    [
        (OLD.replace("\n\nMy", "\nMy"), "Removed"),
        (OLD.replace("release.\n", "release.\n\n"), "Added"),
    ],
)
def test_changed_paragraph_shows_as_an_empty_line(new: str, label: str) -> None:
    assert marked(new) == [(label, "")]


def test_unchanged_lines_are_shown_without_the_empty_ones() -> None:
    lines = list(changes.between(OLD, OLD))
    assert {line.label for line in lines} == {"Unchanged"}
    assert [line.text for line in lines] == OLD.replace("\n\n", "\n").split("\n")


def test_every_line_of_both_wordings_is_there() -> None:
    new = "Another text.\n\n2. With a release.\n"
    lines = [(line.label, line.text) for line in changes.between(OLD, new) if line.text]
    assert sorted(text for label, text in lines if label != "Added") == sorted(
        filter(None, OLD.split("\n"))
    )
    assert sorted(text for label, text in lines if label != "Removed") == sorted(
        filter(None, new.split("\n"))
    )
