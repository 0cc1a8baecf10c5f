"""The outcome of an image in words: no more than what Persona reported.

Persona reports totals per batch, not per image. Only for a batch of one, or where one total is the
whole batch, is the outcome of an image certain.
"""

from typing import NamedTuple

from importers.models import Batch, Image, Import
from importers.models.levels import Level

State = Batch.State
OPEN = {
    State.QUEUED: "Waiting to be sent",
    State.SENDING: "Being sent",
    State.UNKNOWN: "Waiting for Persona to confirm",
    State.IMPORTING: "Awaiting result",
    State.CANCELED: "Not sent (canceled)",
}
UNSIGNED = {
    Import.State.DRAFT: "Not signed and not sent",
    Import.State.AWAITING_APPROVAL: "Not sent (awaiting approval)",
    Import.State.CANCELED: "Not sent (draft discarded)",
}


class Outcome(NamedTuple):
    words: str
    level: Level
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.words}: {self.detail}" if self.detail else self.words


def of(image: Image) -> Outcome:
    if image.state == Image.State.LEFT_OUT:
        return Outcome("Rejected", Level.WARNING, image.explanation)
    if image.batch is None:
        state = Import.State(image.face_import.state)
        return Outcome(UNSIGNED.get(state, "In no batch"), Level.NEUTRAL)
    return of_batch(image.batch)


def of_batch(batch: Batch) -> Outcome:
    """Return what is known of each of its images."""
    if words := OPEN.get(State(batch.state)):
        return Outcome(words, batch.level)
    if batch.state == State.ERRORED:
        return Outcome("Failed at Persona", Level.ERROR, _totals(batch) if _sum(batch) else "")
    if batch.state == State.FAILED and batch.may_have_arrived:
        return Outcome("Not confirmed", Level.WARNING, batch.problem_detail)
    if batch.state == State.FAILED:
        return Outcome("Failed", Level.ERROR, batch.problem_detail)
    return _of_done(batch)


def _of_done(batch: Batch) -> Outcome:
    if None in _counts(batch):
        return Outcome("No result reported", Level.WARNING, _totals(batch) if _sum(batch) else "")
    if _sum(batch) != batch.image_count:
        return Outcome("Counts do not add up", Level.WARNING, _totals(batch))
    outcome = _of_one(batch) if batch.image_count == 1 else _of_many(batch)
    if batch.importer_among:
        exchanged = f"{outcome.words}, or the result of another batch whose answer was lost"
        return Outcome("Not certain", Level.WARNING, exchanged)
    return outcome


def _of_one(batch: Batch) -> Outcome:
    if batch.successful_count:
        return Outcome("Successful", Level.SUCCESS)
    if batch.duplicate_count:
        return Outcome("Duplicate", Level.WARNING)
    return Outcome("Error", Level.ERROR)


def _of_many(batch: Batch) -> Outcome:
    _, same, bad = _counts(batch)
    every = f"All {batch.image_count}"
    if batch.successful_count == batch.image_count:
        return Outcome(f"{every} successful", Level.SUCCESS)
    if same == batch.image_count:
        return Outcome(f"{every} were duplicates", Level.WARNING)
    if bad == batch.image_count:
        return Outcome(f"{every} had an error", Level.ERROR)
    duplicates = "was a duplicate" if same == 1 else "were duplicates"
    found = [(same, duplicates), (bad, "had an error")]
    (count, first), *more = [(count, words) for count, words in found if count]
    words = f"{count} of these {batch.image_count} {first}"
    return Outcome(", ".join([words, *(f"{n} {other}" for n, other in more)]), Level.WARNING)


def _counts(batch: Batch) -> tuple[int | None, int | None, int | None]:
    return batch.successful_count, batch.duplicate_count, batch.error_count


def _sum(batch: Batch) -> int:
    return sum(count or 0 for count in _counts(batch))


def _totals(batch: Batch) -> str:
    good, same, bad = ("–" if count is None else count for count in _counts(batch))
    images = f"{batch.image_count} image{'' if batch.image_count == 1 else 's'}"
    return f"Persona reported {good} successful, {same} duplicate, {bad} error for {images}"
