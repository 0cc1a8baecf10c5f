"""File names: as they are stored, and as people expect them to be ordered."""

import re

from importers.models.imports import base_name

LONGEST_NAME, LONGEST_SORT_NAME = 4096, 200
NUMBER = re.compile(r"\d+")
DIGITS = 12


def storable(name: str) -> str:
    """Return the name as given, without what no database can hold (NUL, lone surrogates)."""
    kept = name.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    return kept[:LONGEST_NAME] or "(no name)"


def sort_name(name: str) -> str:
    """Return the base name in a form in which “img 2” comes before “img 10”."""
    padded = NUMBER.sub(lambda number: number[0].zfill(DIGITS), base_name(name).casefold())
    return padded[:LONGEST_SORT_NAME]
