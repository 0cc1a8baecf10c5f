"""Two workers, or a worker and a person, that lock the same rows never wait for each other.

Only PostgreSQL locks single rows; on SQLite these tests show that nothing else goes wrong.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.forwarding import claims, completion, control, policy, recording
from importers.forwarding.claims import claim
from importers.lists import holds
from importers.models import Batch, FaceList, Import, clock
from importers.persona import errors
from tests.support.batches import OWNER, die_while_sending, persona_importer

State = Batch.State
Make = Callable[..., Import]
Work = Callable[[], object]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.on_both_databases]
REFUSED = errors.NotFound("No such list.", status=404, request_id="req_1")


class Meeting:
    """Two threads wait for each other for a moment, each with its first lock."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)

    def wait(self) -> None:
        with suppress(threading.BrokenBarrierError):
            self._barrier.wait(0.5)

    def after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.wait()
            return result

        return call

    def after_action(self, action: Action) -> Callable[..., None]:
        append = trail.append

        def call(actor: Actor, done: Action, *args: Any, **kwargs: Any) -> None:
            append(actor, done, *args, **kwargs)
            if done == action:
                self.wait()

        return call


def failures(*works: Work) -> list[BaseException]:
    """Do this at once, and return the errors."""
    failed: list[BaseException] = []

    def run(work: Work) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - any error fails the test
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def claimed() -> Batch:
    batch = claim(OWNER)
    assert batch
    return batch


def test_accepted_and_refused_batches_of_one_list(
    make_import: Make, face_list: FaceList, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_import(face_list)
    make_import(face_list, first_seed=10)
    one, other = claimed(), claimed()
    FaceList.objects.update(problem="refused", refusals=1)
    meeting = Meeting()
    monkeypatch.setattr(trail, "append", meeting.after_action(Action.BATCH_ACCEPTED))
    monkeypatch.setattr(holds, "hold", meeting.after(holds.hold))
    step = policy.after(REFUSED, policy.Before())
    assert not failures(
        lambda: recording.importer_found(one, persona_importer(), one.finish_sending),
        lambda: recording.step_taken(other, step, other.finish_sending),
    )


def test_retry_and_a_failing_batch_of_one_import(
    make_import: Make,
    face_list: FaceList,
    actor: Actor,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    sent = make_import(face_list, images=2)
    sent.batches.filter(number=1).update(state=State.FAILED, problem="refused")
    Import.objects.update(state=Import.State.NEEDS_ATTENTION)
    batch, meeting = claimed(), Meeting()
    monkeypatch.setattr(trail, "append", meeting.after_action(Action.BATCH_FAILED))
    monkeypatch.setattr(Import, "reopen", meeting.after(Import.reopen))
    step = policy.seal_is_broken("It is broken.", policy.Before())
    assert not failures(
        lambda: recording.step_taken(batch, step, batch.finish_sending),
        lambda: control.retry(sent, actor, 1),
    )
    assert sent.batches.get(number=2).state == State.FAILED


def test_late_record_and_another_claim(
    make_import: Make, face_list: FaceList, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = die_while_sending(make_import(face_list))
    meeting, from_now = Meeting(), clock.from_now

    def from_now_and_wait(delay: timedelta) -> Any:
        if delay == policy.LOST:  # the batch is locked, and its attempts are next
            meeting.wait()
        return from_now(delay)

    monkeypatch.setattr(claims, "from_now", from_now_and_wait)
    monkeypatch.setattr(recording, "lock", meeting.after(completion.lock))
    assert not failures(
        lambda: recording.importer_found(batch, persona_importer(), batch.finish_sending),
        lambda: claim("another"),
    )
