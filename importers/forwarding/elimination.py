"""Elimination: which of the importers that nobody has claimed belong to which batches in doubt.

Pure. Persona cannot search by our key, and reports neither the list nor the files of an importer
(docs: /api-reference/importers). What it reports is when an importer was created, and in the end
how many images it counted. So all batches in doubt are weighed against all unclaimed importers:
a batch can own an importer only if that was created while one of its sends could have arrived.
Where as many importers are left as batches that could own them, all of these batches arrived;
where none is left, none did. Anything else is for a person to decide.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from importers.persona.responses import Importer, Status


@dataclass(frozen=True)
class Doubt:
    """A batch in doubt: its size, and the intervals in which Persona can have created its importer.

    The intervals are by Persona's clock. `needs_a_person` prevents a match without one.
    """

    batch: int
    image_count: int
    intervals: tuple[tuple[datetime, datetime], ...]
    needs_a_person: bool = False

    def covers(self, importer: Importer) -> bool:
        """Return True if it can own the importer, by its time; one without a time always fits."""
        created = importer.created_at
        return created is None or any(begin <= created <= end for begin, end in self.intervals)

    def contradicts(self, importer: Importer) -> bool:
        """Return True if the importer's counts are those of another number of images."""
        counts = (importer.successful_count, importer.duplicate_count, importer.error_count)
        total = sum(count or 0 for count in counts)
        is_final = importer.status is Status.READY
        return total != self.image_count if is_final else total > self.image_count


@dataclass(frozen=True)
class Arrived:
    """`among` lists the importers that it can be, if nothing tells whose is which."""

    importer: Importer
    among: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotArrived:
    pass


@dataclass(frozen=True)
class Ambiguous:
    """`is_final` is False if counts that Persona has yet to report may still decide."""

    candidates: tuple[Importer, ...]
    is_final: bool = True


Verdict = Arrived | NotArrived | Ambiguous


def decide(
    doubts: Iterable[Doubt], importers: list[Importer], *, counts_add_up: bool
) -> dict[int, Verdict]:
    """Return a verdict for each batch, by its number.

    If `counts_add_up`, as they have so far, then an importer with the counts of another number of
    images cannot belong to a batch. Otherwise such counts only prevent a match.
    """
    found: dict[int, Verdict] = {}
    for group in _groups(list(doubts), importers, counts_add_up):
        found |= _verdicts(group, counts_add_up)
    return found


def _groups(
    doubts: list[Doubt], importers: list[Importer], counts_add_up: bool
) -> Iterator[dict[Doubt, list[Importer]]]:
    """Yield the batches that could own the same importers, directly or through others."""
    owned = {
        doubt: [
            row
            for row in importers
            if doubt.covers(row) and not (counts_add_up and doubt.contradicts(row))
        ]
        for doubt in doubts
    }
    while owned:
        doubt, rows = owned.popitem()
        group, ids = {doubt: rows}, {row.id for row in rows}
        while near := [other for other in owned if ids & {row.id for row in owned[other]}]:
            group |= {other: owned.pop(other) for other in near}
            ids = {row.id for rows in group.values() for row in rows}
        yield group


def _verdicts(group: dict[Doubt, list[Importer]], counts_add_up: bool) -> dict[int, Verdict]:
    rows = {row.id: row for rows in group.values() for row in rows}
    if not rows:
        return {doubt.batch: NotArrived() for doubt in group}
    possible = {doubt.batch: sorted(row.id for row in owned) for doubt, owned in group.items()}
    fitting = {
        doubt.batch: sorted(row.id for row in owned if not doubt.contradicts(row))
        for doubt, owned in group.items()
    }
    certain = all(row.created_at for row in rows.values()) and not any(
        doubt.needs_a_person for doubt in group
    )
    pairs = matching(fitting) if certain and len(rows) == len(group) else None
    if pairs is None:
        is_final = not counts_add_up or all(row.status is Status.READY for row in rows.values())
        return {doubt.batch: Ambiguous(tuple(owned), is_final) for doubt, owned in group.items()}
    return {
        batch: Arrived(rows[pairs[batch]], _alternatives(possible, batch)) for batch in possible
    }


def _alternatives(possible: Mapping[int, list[str]], batch: int) -> tuple[str, ...]:
    """Return every importer that the batch has in some matching, if there are several."""
    ids = [row for row in possible[batch] if matching({**possible, batch: [row]})]
    return tuple(ids) if len(ids) > 1 else ()


def matching(possible: Mapping[int, list[str]]) -> dict[int, str] | None:
    """Return an importer of its own for each batch, or None if there is no such matching.

    Kuhn's algorithm: each batch takes a free importer, or one whose owner finds another.
    """
    owner: dict[str, int] = {}

    def place(batch: int, tried: set[str]) -> bool:
        for row in possible[batch]:
            if row not in tried:
                tried.add(row)
                if row not in owner or place(owner[row], tried):
                    owner[row] = batch
                    return True
        return False

    if not all(place(batch, set()) for batch in sorted(possible)):
        return None
    return {batch: row for row, batch in owner.items()}
