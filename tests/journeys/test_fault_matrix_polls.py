"""The fault matrix of polls: faults while Persona processes an import."""

from dataclasses import dataclass

import pytest

from importers.forwarding import notices
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.polling import poll
from importers.forwarding.sending import send_next
from importers.gateway import environments
from importers.local_persona import IMPORTERS
from importers.models import Batch, Import
from tests.support.fault_matrix import OWNER, World
from tests.support.forwarding import forward, time_passes

State = Batch.State
POLLS = 3
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@dataclass(frozen=True)
class Poll:
    """A fault that strikes at every poll until it is mended.

    Until then the batch is in `state` with `status`, Persona's own word, and `problem`. In the end
    it is in the state `ends` with Persona's `counts`.
    """

    name: str
    kind: str
    status: str = "pending"
    problem: str = ""
    gateway_problem: str = ""
    state: Batch.State = State.IMPORTING
    ends: Batch.State = State.DONE
    counts: tuple[int, int, int] = (3, 0, 0)


TABLE = [
    Poll("stuck pending", "stuck"),
    Poll("errored", "errored", "errored", state=State.ERRORED, ends=State.ERRORED,
         counts=(0, 0, 0)),
    Poll("undocumented status", "unknown_status", "under-review"),
    Poll("gone", "gone", problem="importer_gone"),
    Poll("counts that do not add up", "odd_counts", "ready", state=State.DONE,
         counts=(10, 0, 0)),
    Poll("answer in camelCase", "camel", "ready", state=State.DONE),
    Poll("answer with a new attribute", "new_attribute", "ready", state=State.DONE),
    Poll("401", "unauthorized", gateway_problem="key_refused"),
    Poll("403", "forbidden", gateway_problem="key_refused"),
    Poll("404 on every page", "not_found", problem=""),
    Poll("409", "conflict"),
    Poll("429", "rate_limited", gateway_problem="rate_limited"),
    Poll("500", "server_error", gateway_problem="server_trouble"),
    Poll("502 with HTML", "bad_gateway", gateway_problem="server_trouble"),
    Poll("broken JSON", "broken_json", gateway_problem="server_trouble"),
    Poll("answer without an id", "no_id", gateway_problem="server_trouble"),
    Poll("no answer", "drop_unmade", gateway_problem="unreachable"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_batch_ends_once_the_fault_of_polls_is_mended(row: Poll, world: World) -> None:
    assert send_next(Leases(OWNER))
    world.persona.faults.inject(row.kind, None, IMPORTERS)
    for _ in range(POLLS):
        time_passes()
        is_due = world.batch.state == State.IMPORTING
        assert poll() == is_due
        batch = world.batch
        assert (batch.state, batch.persona_status) == (row.state, row.status)
        assert (batch.problem, bool(batch.problem_detail)) == (row.problem, bool(row.problem))
    assert environments.gateway().problem == row.gateway_problem
    assert world.invariants_hold()
    world.mend()
    time_passes()
    forward()
    assert_ended(row, world)
    assert retry(world.sent, world.actor) == 0
    assert len(world.wire.sent) == 1
    assert world.invariants_hold()


def assert_ended(row: Poll, world: World) -> None:
    batch = world.batch
    (entry,) = world.wire.ledger()
    assert (batch.state, batch.importer_id) == (row.ends, entry.importer_id)
    assert (batch.problem, notices.gateway_notices()) == ("", [])
    assert (batch.successful_count, batch.duplicate_count, batch.error_count) == row.counts
    needs_attention = row.ends == State.ERRORED
    ended = Import.State.NEEDS_ATTENTION if needs_attention else Import.State.COMPLETED
    assert Import.objects.get(pk=world.sent.pk).state == ended
