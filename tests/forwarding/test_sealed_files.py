"""Storage that can't be read: nothing is sent, nothing is lost, and it goes on by itself."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from importers import pacing
from importers.audit import Actor
from importers.forwarding.retry import retry
from importers.forwarding.send import send_next
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.batches import OWNER
from tests.support.forwarding import every_image_is_there_once, forward, states_of, time_passes

State = Batch.State
pytestmark = pytest.mark.django_db


@pytest.fixture
def unreadable(sent: Import) -> Path:
    """Where the second batch's image lay: something that opens as no file does."""
    place = Path(default_storage.path(Image.objects.get(batch__number=2).storage_key))
    place.rename(place.with_suffix(".aside"))
    place.mkdir()
    return place


def is_mended(place: Path) -> None:
    place.rmdir()
    place.with_suffix(".aside").rename(place)


def seconds_to_next_try(sent: Import) -> float:
    return (sent.batches.get(number=2).next_attempt_at - datetime.now(UTC)).total_seconds()


def test_an_unreadable_image_holds_its_batch_alone_and_says_so(
    persona: LocalPersona, sent: Import, unreadable: Path
) -> None:
    for _ in range(3):
        send_next(OWNER)
    assert not send_next(OWNER), "it is not due yet"
    assert pacing.share("local").taken == len(persona.requests()) == 2, "none was made for it"
    batch = sent.batches.get(number=2)
    key = Image.objects.get(batch=batch).key
    assert states_of(sent) == [State.IMPORTING, State.QUEUED, State.IMPORTING]
    assert batch.problem == "storage_unreadable"
    assert batch.problem_detail == f"Image {key} cannot be read from storage now."
    assert (batch.may_have_arrived, batch.first_sent_at) == (False, None)
    assert len(persona.ledger()) == 2


def test_it_is_tried_again_ever_later_and_goes_on_by_itself_once_it_can_be_read(
    persona: LocalPersona, sent: Import, unreadable: Path
) -> None:
    waits = []
    for _ in range(12):
        forward(rounds=1)
        waits.append(round(seconds_to_next_try(sent)))
    assert waits[1:10] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    is_mended(unreadable)
    forward()
    assert states_of(sent) == [State.DONE] * 3
    assert sent.batches.get(number=2).problem == ""
    assert every_image_is_there_once(persona, sent)
    sent.refresh_from_db()
    assert sent.state == Import.State.COMPLETED


def test_after_a_lost_answer_it_is_still_known_that_it_may_have_arrived(
    persona: LocalPersona, make_draft: Callable[..., Import], known_list: FaceList, actor: Actor
) -> None:
    sent = submit(make_draft(known_list, images=1), actor)
    place = Path(default_storage.path(sent.files.get().storage_key))
    persona.faults.inject("drop_made")
    send_next(OWNER)
    key = sent.batches.get().idempotency_key
    place.rename(place.with_suffix(".aside"))
    place.mkdir()
    time_passes()
    send_next(OWNER)
    batch = sent.batches.get()
    assert (batch.state, batch.problem) == (State.UNKNOWN, "storage_unreadable")
    assert (batch.may_have_arrived, batch.idempotency_key) == (True, key)
    is_mended(place)
    time_passes()
    forward()
    assert states_of(sent) == [State.DONE]
    assert every_image_is_there_once(persona, sent)


def test_an_image_that_is_gone_needs_a_person_who_brings_it_back_and_tries_again(
    persona: LocalPersona, sent: Import, unreadable: Path, actor: Actor
) -> None:
    unreadable.rmdir()
    forward()
    batch = sent.batches.get(number=2)
    key = Image.objects.get(batch=batch).key
    assert states_of(sent) == [State.DONE, State.FAILED, State.DONE]
    assert batch.problem == "image_missing"
    assert batch.problem_detail == f"Image {key} is no longer in storage."
    unreadable.with_suffix(".aside").rename(unreadable)
    assert retry(sent, actor) == 1
    forward()
    assert states_of(sent) == [State.DONE] * 3
    assert every_image_is_there_once(persona, sent)
