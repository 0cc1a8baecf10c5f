"""File names: their last part, their order, and what is stored of them."""

import pytest

from importers.intake import names
from importers.models import Image


@pytest.mark.parametrize(
    ("name", "base", "folder"),
    [
        ("folder/jane.jpg", "jane.jpg", "folder"),
        ("C:\\photos\\jane.jpg", "jane.jpg", "C:\\photos"),
        ("jane.jpg", "jane.jpg", ""),
        ("folder/", "folder/", ""),
    ],
)
def test_name_is_shown_without_its_folders(name: str, base: str, folder: str) -> None:
    image = Image(original_name=name)
    assert (image.base_name, image.folder) == (base, folder)


def test_names_are_ordered_as_people_count() -> None:
    given = ["b/img 10.jpg", "a/IMG 9.jpg", "img 2.jpg", "img.jpg", "img 10b.jpg"]
    assert sorted(given, key=names.sort_name) == [
        *("img 2.jpg", "a/IMG 9.jpg", "b/img 10.jpg", "img 10b.jpg", "img.jpg")
    ]


def test_order_of_a_long_name_fits_its_column() -> None:
    assert len(names.sort_name("x" * 4096)) == Image._meta.get_field("sort_name").max_length
