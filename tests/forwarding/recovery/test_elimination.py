"""Which unclaimed importers belong to which batches in doubt."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers.forwarding.elimination import Ambiguous, Arrived, Doubt, NotArrived, decide, matching
from importers.persona.responses import Importer, Status
from tests.support.batches import persona_importer

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def doubt(batch: int, *intervals: tuple[float, float], images: int = 5) -> Doubt:
    return Doubt(batch, images, tuple((at(begin), at(end)) for begin, end in intervals))


def importer(name: str, second: float | None, images: int | None = 5) -> Importer:
    """Return an importer that was created at that second and has counted so many images."""
    return persona_importer(
        id=name,
        created_at=None if second is None else at(second),
        status=Status.PENDING if images is None else Status.READY,
        successful_count=images or 0,
    )


def outcomes(
    doubts: Iterable[Doubt], importers: list[Importer], *, counts_add_up: bool = True
) -> dict[int, str]:
    """Return for each batch its importer, "?" and its candidates, or "-"."""
    words = {}
    for batch, verdict in decide(doubts, importers, counts_add_up=counts_add_up).items():
        match verdict:
            case Arrived(row, among):
                words[batch] = " or ".join(among) or row.id
            case Ambiguous(candidates):
                words[batch] = "?" + "".join(sorted(row.id for row in candidates))
            case NotArrived():
                words[batch] = "-"
    return words


ONE, TWO = doubt(1, (0, 10)), doubt(2, (5, 15))


@pytest.mark.parametrize(
    ("doubts", "importers", "expected"),
    [
        ([ONE], [], {1: "-"}),
        ([ONE], [importer("a", 5)], {1: "a"}),
        ([ONE], [importer("a", 0)], {1: "a"}),
        ([ONE], [importer("a", 10)], {1: "a"}),
        ([ONE], [importer("a", -0.1)], {1: "-"}),
        ([ONE], [importer("a", 10.1)], {1: "-"}),
        ([ONE], [importer("a", 5), importer("b", 6)], {1: "?ab"}),
        ([doubt(1, (0, 2), (8, 9))], [importer("a", 5)], {1: "-"}),
        ([doubt(1, (0, 2), (8, 9))], [importer("a", 8)], {1: "a"}),
        # Two batches.
        ([ONE, TWO], [], {1: "-", 2: "-"}),
        ([ONE, TWO], [importer("a", 7)], {1: "?a", 2: "?a"}),
        ([ONE, TWO], [importer("a", 2)], {1: "a", 2: "-"}),
        ([ONE, TWO], [importer("a", 2), importer("b", 12)], {1: "a", 2: "b"}),
        ([ONE, TWO], [importer("a", 2), importer("b", 7)], {1: "a", 2: "b"}),
        ([ONE, TWO], [importer("a", 7), importer("b", 8)], {1: "a or b", 2: "a or b"}),
        ([ONE, TWO], [importer(n, 7) for n in "abc"], {1: "?abc", 2: "?abc"}),
        # No matching: both importers can only be the first batch's.
        ([ONE, TWO], [importer("a", 1), importer("b", 2)], {1: "?ab", 2: "-"}),
        # A third batch is clear although the others are not.
        (
            [ONE, TWO, doubt(3, (100, 110))],
            [importer("a", 7), importer("c", 105)],
            {1: "?a", 2: "?a", 3: "c"},
        ),
        # Without a time it could be anybody's.
        ([ONE], [importer("a", None)], {1: "?a"}),
        ([replace(ONE, needs_a_person=True)], [importer("a", 5)], {1: "?a"}),
        ([replace(ONE, needs_a_person=True)], [], {1: "-"}),
    ],
)
def test_batches_are_matched_by_elimination(
    doubts: list[Doubt], importers: list[Importer], expected: dict[int, str]
) -> None:
    assert outcomes(doubts, importers) == expected
    assert outcomes(reversed(doubts), list(reversed(importers))) == expected


class TestCounts:
    SMALL = doubt(1, (0, 10), images=3)
    LARGE = doubt(2, (0, 10), images=5)

    @pytest.mark.parametrize(
        ("importers", "add_up", "otherwise"),
        [
            ([importer("a", 5, 4)], {1: "-", 2: "-"}, {1: "?a", 2: "?a"}),
            ([importer("a", 5, 3)], {1: "a", 2: "-"}, {1: "?a", 2: "?a"}),
            (
                [importer("a", 5, 3), importer("b", 5, 5)],
                {1: "a", 2: "b"},
                {1: "a or b", 2: "a or b"},
            ),
            (
                [importer("a", 5, 3), importer("b", 5, 4)],
                {1: "a", 2: "-"},
                {1: "?ab", 2: "?ab"},
            ),
            # Counts are not final: any number up to the size is possible.
            ([importer("a", 5, None)], {1: "?a", 2: "?a"}, {1: "?a", 2: "?a"}),
        ],
    )
    def test_they_exclude_an_importer_only_if_they_have_added_up(
        self, importers: list[Importer], add_up: dict[int, str], otherwise: dict[int, str]
    ) -> None:
        both = [self.SMALL, self.LARGE]
        assert outcomes(both, importers) == add_up
        assert outcomes(both, importers, counts_add_up=False) == otherwise

    def test_contradicting_counts_prevent_a_match(self) -> None:
        assert outcomes([ONE], [importer("a", 5, 4)], counts_add_up=False) == {1: "?a"}

    @pytest.mark.parametrize(
        ("status", "count", "contradicts"),
        [
            (Status.READY, 5, False),
            (Status.READY, 4, True),
            (Status.READY, 6, True),
            (Status.PENDING, 4, False),
            (Status.PENDING, 6, True),
            (Status.ERRORED, 0, False),
            (Status.UNKNOWN, 4, False),
        ],
    )
    def test_only_final_counts_contradict_by_being_low(
        self, status: Status, count: int, contradicts: bool
    ) -> None:
        row = persona_importer(status=status, successful_count=count, error_count=None)
        assert ONE.contradicts(row) == contradicts

    @pytest.mark.parametrize(("images", "counts_add_up"), [(5, True), (None, False)])
    def test_ambiguity_is_final_unless_counts_may_still_decide(
        self, images: int | None, counts_add_up: bool
    ) -> None:
        rows = [importer("a", 5, images), importer("b", 5, images)]
        verdict = decide([ONE], rows, counts_add_up=counts_add_up)[1]
        assert isinstance(verdict, Ambiguous)
        assert verdict.is_final
        waiting = [replace(row, status=Status.PENDING, successful_count=0) for row in rows]
        verdict = decide([ONE], waiting, counts_add_up=True)[1]
        assert isinstance(verdict, Ambiguous)
        assert not verdict.is_final


@given(
    st.dictionaries(st.integers(1, 4), st.lists(st.sampled_from("abcd"), unique=True), min_size=1)
)
def test_matching_is_found_if_there_is_one(possible: dict[int, list[str]]) -> None:
    batches = sorted(possible)
    there_is_one = any(
        all(row in possible[batch] for batch, row in zip(batches, rows, strict=False))
        for rows in permutations("abcd", len(batches))
    )
    found = matching(possible)
    assert (found is not None) == there_is_one
    if found is not None:
        assert len(set(found.values())) == len(found) == len(possible)
        assert all(found[batch] in possible[batch] for batch in batches)
