"""The matrix of faults, while Persona is at work on an import that it took."""

from dataclasses import dataclass

import pytest

from importers import connection
from importers.forwarding.poll import poll
from importers.forwarding.retry import retry
from importers.forwarding.send import send_next
from importers.local_persona import IMPORTERS
from importers.models import Batch, Import
from tests.journeys.test_fault_matrix import OWNER, World, persona, wire, world
from tests.support.forwarding import forward, time_passes

__all__ = ["persona", "wire", "world"]

State = Batch.State
POLLS = 3


@dataclass(frozen=True)
class Poll:
    """A fault that strikes at every poll until it is mended.

    Meanwhile Persona's status is `told`, and the batch has `problem`. In the end it is in the
    state `ends`, with Persona's `counts`.
    """

    name: str
    kind: str
    told: str = "pending"
    problem: str = ""
    line: str = ""
    state: Batch.State = State.IMPORTING
    ends: Batch.State = State.DONE
    counts: tuple[int, int, int] = (3, 0, 0)


TABLE = [
    Poll("stuck pending", "stuck"),
    Poll("errored", "errored", "errored", state=State.ERRORED, ends=State.ERRORED,
         counts=(0, 0, 0)),
    Poll("of a status in no paper", "unknown_status", "under-review"),
    Poll("gone", "gone", problem="importer_gone"),
    Poll("told of with counts that do not sum", "odd_counts", "ready", state=State.DONE,
         counts=(10, 0, 0)),
    Poll("told of in camelCase", "camel", "ready", state=State.DONE),
    Poll("told of with a new attribute", "new_attribute", "ready", state=State.DONE),
    Poll("refused with 401", "unauthorized", line="key_refused"),
    Poll("refused with 403", "forbidden", line="key_refused"),
    Poll("refused with 404 on every page", "not_found", problem=""),
    Poll("refused with 409", "conflict"),
    Poll("refused with 429", "rate_limited", line="rate_limited"),
    Poll("answered with 500", "server_error"),
    Poll("answered with 502 and HTML", "bad_gateway"),
    Poll("answered with broken JSON", "broken_json"),
    Poll("answered without an id", "no_id"),
    Poll("never answered", "drop_unmade", line="unreachable"),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_an_importer_that_is(row: Poll, world: World) -> None:
    assert send_next(OWNER)
    world.persona.faults.inject(row.kind, None, IMPORTERS)
    for _ in range(POLLS):
        time_passes()
        is_asked_for = world.batch.state == State.IMPORTING
        assert poll() == is_asked_for
        batch = world.batch
        assert (batch.state, batch.persona_status) == (row.state, row.told)
        assert (batch.problem, bool(batch.problem_detail)) == (row.problem, bool(row.problem))
    assert connection.line().problem == row.line
    assert world.holds()
    world.is_mended()
    time_passes()
    forward()
    assert ends_as(row, world)
    assert retry(world.sent, world.actor) == 0
    assert len(world.wire.sent) == 1
    assert world.holds()


def ends_as(row: Poll, world: World) -> bool:
    batch = world.batch
    (entry,) = world.wire.ledger()
    assert (batch.state, batch.importer_id) == (row.ends, entry.importer_id)
    assert (batch.problem, connection.line().problem) == ("", "")
    assert (batch.successful_count, batch.duplicate_count, batch.error_count) == row.counts
    needs_attention = row.ends == State.ERRORED
    ended = Import.State.NEEDS_ATTENTION if needs_attention else Import.State.COMPLETED
    return Import.objects.get(pk=world.sent.pk).state == ended
