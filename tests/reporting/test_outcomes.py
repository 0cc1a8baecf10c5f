"""The outcome of an image in words."""

from typing import Any

import pytest

from importers.models import Batch, Image, Import
from importers.reporting import outcomes

State = Batch.State
LOST = ", or the result of another batch whose answer was lost"


def batch(images: int, state: str = State.DONE, counts: tuple[Any, ...] = (), **more: Any) -> Batch:
    names = ("successful_count", "duplicate_count", "error_count")
    values = dict(zip(names, counts, strict=False)) | more
    return Batch(image_count=images, state=state, **values)


def image(of_batch: Batch | None, import_state: str = "completed", **values: Any) -> Image:
    face_import = Import(state=import_state)
    values = {"state": "accepted"} | values
    return Image(face_import=face_import, batch=of_batch, **values)


@pytest.mark.parametrize(
    ("of_batch", "words"),
    [
        (batch(1, counts=(1, 0, 0)), "Successful"),
        (batch(1, counts=(0, 1, 0)), "Duplicate"),
        (batch(1, counts=(0, 0, 1)), "Error"),
        (batch(50, counts=(50, 0, 0)), "All 50 successful"),
        (batch(50, counts=(0, 50, 0)), "All 50 were duplicates"),
        (batch(50, counts=(0, 0, 50)), "All 50 had an error"),
        (batch(50, counts=(49, 1, 0)), "1 of these 50 was a duplicate"),
        (batch(50, counts=(48, 2, 0)), "2 of these 50 were duplicates"),
        (batch(50, counts=(49, 0, 1)), "1 of these 50 had an error"),
        (batch(50, counts=(45, 3, 2)), "3 of these 50 were duplicates, 2 had an error"),
        (batch(50, counts=(0, 49, 1)), "49 of these 50 were duplicates, 1 had an error"),
        (batch(50, State.QUEUED), "Waiting to be sent"),
        (batch(50, State.SENDING), "Being sent"),
        (batch(50, State.UNKNOWN), "Waiting for Persona to confirm"),
        (batch(50, State.IMPORTING), "Awaiting result"),
        (batch(50, State.CANCELED), "Not sent (canceled)"),
        (batch(50, State.ERRORED), "Failed at Persona"),
        (batch(50, State.FAILED), "Failed"),
    ],
)
def test_outcome_says_what_persona_reported(of_batch: Batch, words: str) -> None:
    outcome = outcomes.of(image(of_batch))
    assert (str(outcome), outcome.words) == (words, words)


@pytest.mark.parametrize(
    ("of_batch", "sentence"),
    [
        (
            batch(50, counts=(45, 1, 0)),
            "Counts do not add up: Persona reported 45 successful, 1 duplicate, 0 error for 50 "
            "images",
        ),
        (
            batch(1, counts=(1, 1, 0)),
            "Counts do not add up: Persona reported 1 successful, 1 duplicate, 0 error for 1 image",
        ),
        (
            batch(30, counts=(37, 0, 0)),
            "Counts do not add up: Persona reported 37 successful, 0 duplicate, 0 error for 30 "
            "images",
        ),
        (batch(1, counts=(None, None, None)), "No result reported"),
        (
            batch(2, counts=(2, None, 0)),
            "No result reported: Persona reported 2 successful, – duplicate, 0 error for 2 images",
        ),
        (
            batch(3, State.ERRORED, (2, 0, 1)),
            "Failed at Persona: Persona reported 2 successful, 0 duplicate, 1 error for 3 images",
        ),
        (
            batch(3, State.FAILED, problem_detail="Persona answered 422: Invalid list"),
            "Failed: Persona answered 422: Invalid list",
        ),
        (
            batch(3, State.FAILED, may_have_arrived=True, problem_detail="Choose one of two."),
            "Not confirmed: Choose one of two.",
        ),
        (
            batch(2, counts=(1, 1, 0), importer_among=["mprt_1", "mprt_2"]),
            f"Not certain: 1 of these 2 was a duplicate{LOST}",
        ),
        (
            batch(1, counts=(0, 1, 0), importer_among=["mprt_1", "mprt_2"]),
            f"Not certain: Duplicate{LOST}",
        ),
    ],
)
def test_outcome_that_is_not_certain_says_why(of_batch: Batch, sentence: str) -> None:
    assert str(outcomes.of(image(of_batch))) == sentence


@pytest.mark.parametrize("counts", [(50, 0, 0), (3, 0, 0), (1, 1, 1), (None, None, None)])
@pytest.mark.parametrize("images", [1, 3, 50])
def test_batch_at_work_has_no_outcome_yet(images: int, counts: tuple[int | None, ...]) -> None:
    """Counts of an importer that is not ready may still change."""
    assert str(outcomes.of(image(batch(images, State.IMPORTING, counts)))) == "Awaiting result"


@pytest.mark.parametrize("state", Batch.State)
def test_success_is_claimed_only_for_a_batch_that_is_done(state: Batch.State) -> None:
    outcome = outcomes.of(image(batch(2, state, (2, 0, 0))))
    assert ("successful" in outcome.words) is (state == State.DONE)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("draft", "Not signed and not sent"),
        ("canceled", "Not sent (draft discarded)"),
        ("forwarding", "In no batch"),
    ],
)
def test_image_without_a_batch_was_not_sent(state: str, words: str) -> None:
    assert str(outcomes.of(image(None, state))) == words


def test_rejected_file_says_why() -> None:
    rejected = image(None, "draft", state="left_out", explanation="It is a PDF document.")
    assert str(outcomes.of(rejected)) == "Rejected: It is a PDF document."
