"""How templates show file names, request sizes and people."""

import pytest

from importers.models import Person
from importers.templatetags.consentry import file_name, in_words, person


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("a\nb", "a\\u000ab"),
        ("\u202eexe", "\\u202eexe"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("a\u3000b", "a\u3000b"),
        ("é顔😀", "é顔😀"),
    ],
)
def test_invisible_characters_in_file_names_are_spelled_out(name: str, shown: str) -> None:
    assert file_name(name) == shown


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ([], ""),
        ([12], "12"),
        ([50, 49, 37], "50, 49, 37"),
        ([50, 49, 48, 50, 49, 48, 12], "12 to 50 each"),
    ],
)
def test_request_sizes_are_described_in_words(sizes: list[int], shown: str) -> None:
    assert in_words(sizes) == shown


def test_person_is_shown_by_full_name_or_username() -> None:
    assert person(Person(username="mo", first_name="Maya", last_name="Okafor")) == "Maya Okafor"
    assert person(Person(username="mo")) == "mo"
