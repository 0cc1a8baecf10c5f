"""How one wording differs from another, line by line."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from importers.models.levels import Level


class Line(NamedTuple):
    """A line of either wording, and what became of it."""

    label: str
    level: Level
    text: str


def between(old: str, new: str) -> Iterator[Line]:
    """Yield each line of both wordings, without the empty ones that did not change."""
    before, after = old.split("\n"), new.split("\n")
    # Empty lines are alike, so they say nothing about which lines belong together.
    compared = SequenceMatcher(lambda line: line == "", before, after, autojunk=False)
    for step, start, end, new_start, new_end in compared.get_opcodes():
        if step == "equal":
            kept = filter(None, before[start:end])
            yield from (Line("Unchanged", Level.NEUTRAL, text) for text in kept)
        else:
            yield from (Line("Removed", Level.ERROR, text) for text in before[start:end])
            yield from (Line("Added", Level.SUCCESS, text) for text in after[new_start:new_end])
