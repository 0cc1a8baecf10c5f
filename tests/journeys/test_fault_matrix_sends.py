"""The fault matrix of sends: the effect of each fault at once, and the state in the end.

Each row is a test over real HTTP, and after each row the invariants of `support.fault_matrix` hold.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from django.db.models.functions import Now

from importers.forwarding import notices
from importers.forwarding.claims import Leases, claim
from importers.forwarding.control import retry
from importers.forwarding.sending import send_next
from importers.gateway import environments, rate_limit
from importers.models import Batch, Environment, Import
from importers.persona.client import Client, ImageFile
from importers.persona.responses import Importer
from tests.support.fault_matrix import HOUR, OWNER, World
from tests.support.forwarding import forward, time_passes
from tests.support.pictures import draw

State = Batch.State
PATIENCE_SECONDS = 20
DAY = timedelta(days=1)
NOBODY_LISTENS = "http://127.0.0.1:1"
pytestmark = pytest.mark.django_db
Fault = Callable[[World], None]


def no_fault(world: World) -> None:
    """Leave everything as it is."""


def persona_fault(kind: str, times: int | None = 1, **options: Any) -> Fault:
    def strike(world: World) -> None:
        world.persona.faults.inject(kind, times, **options)

    return strike


def wire_break(how: str, **options: bool) -> Fault:
    def strike(world: World) -> None:
        world.wire.break_next(how, **options)
        world.settings.PERSONA_TIMEOUT_SECONDS = 0.5 if how == "silence" else 60

    return strike


def connection_refused(world: World) -> None:
    world.settings.PERSONA_BASE_URL = NOBODY_LISTENS


def wrong_api_key(world: World) -> None:
    world.settings.PERSONA_API_KEY = "persona_sandbox_expired"


def idempotency_key_used_before(world: World) -> None:
    key = uuid4()
    world.sent.batches.update(idempotency_key=key)
    settings = {"version": "2025-12-08", "timeout_seconds": 10}
    client = Client(world.persona.url, world.persona.key, **settings)  # type: ignore[arg-type]
    other = ImageFile("other.jpg", "image/jpeg", draw(99))
    client.import_faces(world.sent.face_list.persona_id, [other], str(key))


def persona_clock_is(ahead: timedelta) -> Fault:
    def strike(world: World) -> None:
        world.clock.ahead = ahead

    return strike


def our_clock_is(by: timedelta) -> Fault:
    """Move the clock of this process in each of our modules that reads it, not the database's."""

    class AcceptsEveryDatetime(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class MovedDatetime(datetime, metaclass=AcceptsEveryDatetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    def strike(world: World) -> None:
        machine = time.time
        for name, module in list(sys.modules.items()):
            is_ours = name.startswith("importers.") or name == "django.utils.timezone"
            if is_ours and getattr(module, "datetime", None) is datetime:
                world.monkeypatch.setattr(module, "datetime", MovedDatetime)
        world.monkeypatch.setattr(time, "time", lambda: machine() + by.total_seconds())

    return strike


def both(first: Fault, second: Fault) -> Fault:
    def strike(world: World) -> None:
        first(world)
        second(world)

    return strike


QUEUED, UNKNOWN, IMPORTING = State.QUEUED, State.UNKNOWN, State.IMPORTING
NO_ANSWER = ((UNKNOWN, "no_answer"),)
TROUBLE = ((UNKNOWN, "server_trouble"),)
GATEWAY = ((UNKNOWN, "gateway_trouble"),)
IN_TROUBLE = "server_trouble"
ACCEPTED = ((IMPORTING, ""),)


@dataclass(frozen=True)
class Send:
    """A fault that strikes at a send. In the end the batch is done.

    `after`: the batch's state and problem after each send until the fault is mended.
    `gateway_problem` and `import_made`: the problem of the gateway, and whether Persona has made
    the import, just before that. `sends` under `keys` idempotency keys were needed in total.
    `needs_retry`: a person had to retry the batch. `then`: another fault, injected after each send.
    `moved_clock`: whose clock the fault moves.
    """

    name: str
    fault: Fault
    after: tuple[tuple[Batch.State, str], ...]
    gateway_problem: str = ""
    import_made: bool = False
    sends: int = 2
    keys: int = 1
    needs_retry: bool = False
    then: Fault = no_fault
    moved_clock: str = ""


UNREACHABLE = "unreachable"
SENDS = [
    Send("connection refused", connection_refused, ((QUEUED, UNREACHABLE),), UNREACHABLE,
         sends=1),
    Send("reset before the body is read", wire_break("reset", body_is_read=False), NO_ANSWER,
         UNREACHABLE),
    Send("reset after the body, no import made", wire_break("reset"), NO_ANSWER, UNREACHABLE),
    Send("reset before the answer, import made", wire_break("reset", is_made=True), NO_ANSWER,
         UNREACHABLE, import_made=True),
    Send("connection closed before the body is read", persona_fault("drop_before_body"),
         NO_ANSWER, UNREACHABLE),
    Send("connection closed after the body, no import made", persona_fault("drop_unmade"),
         NO_ANSWER, UNREACHABLE),
    Send("connection closed before the answer, import made", persona_fault("drop_made"),
         NO_ANSWER, UNREACHABLE, import_made=True),
    Send("half an answer, import made", wire_break("half", is_made=True), NO_ANSWER,
         UNREACHABLE, import_made=True),
    Send("timeout, no import made", wire_break("silence"), NO_ANSWER, UNREACHABLE),
    Send("timeout, import made", wire_break("silence", is_made=True), NO_ANSWER,
         UNREACHABLE, import_made=True),
    Send("429 with its headers", persona_fault("rate_limited", reset_seconds=43),
         ((QUEUED, "rate_limited"),), "rate_limited"),
    Send("429 without headers", persona_fault("rate_limited_bare"), ((QUEUED, "rate_limited"),),
         "rate_limited"),
    Send("429 after a lost answer, import made", persona_fault("drop_made"),
         (*NO_ANSWER, (UNKNOWN, "rate_limited")), "rate_limited", import_made=True, sends=3,
         then=persona_fault("rate_limited")),
    Send("500 once, not cached under the key", persona_fault("server_error", cached=False),
         TROUBLE, IN_TROUBLE),
    Send("500 cached under the key, no import made", persona_fault("server_error"), TROUBLE * 2,
         IN_TROUBLE, sends=3, keys=2),
    Send("500 cached under the key, import made", persona_fault("server_error_made"),
         TROUBLE * 2, IN_TROUBLE, import_made=True),
    Send("502 with HTML, no import made", persona_fault("bad_gateway"), GATEWAY, IN_TROUBLE),
    Send("502 with HTML, import made", persona_fault("bad_gateway_made"), GATEWAY,
         IN_TROUBLE, import_made=True),
    Send("502 with HTML twice, import made", persona_fault("bad_gateway_made", times=2),
         GATEWAY * 2, IN_TROUBLE, import_made=True, sends=3),
    Send("502 with HTML three times, import made", persona_fault("bad_gateway_made", times=3),
         GATEWAY * 3, IN_TROUBLE, import_made=True, sends=3),
    Send("503", persona_fault("unavailable"), TROUBLE, IN_TROUBLE),
    Send("200 with broken JSON", persona_fault("broken_json"), TROUBLE, IN_TROUBLE,
         import_made=True),
    Send("200 with broken JSON twice", persona_fault("broken_json", times=2), TROUBLE * 2,
         IN_TROUBLE, import_made=True),
    Send("201 without an id", persona_fault("no_id"), TROUBLE, IN_TROUBLE,
         import_made=True),
    Send("201 without an id twice", persona_fault("no_id", times=2), TROUBLE * 2, IN_TROUBLE,
         import_made=True),
    Send("409", persona_fault("conflict"), ((UNKNOWN, "conflict"),)),
    Send("409 after a lost answer, import made", persona_fault("drop_made"),
         (*NO_ANSWER, (UNKNOWN, "conflict")), import_made=True, then=persona_fault("conflict")),
    Send("400 Idempotency error", idempotency_key_used_before,
         ((State.FAILED, "key_reused"),), keys=2, needs_retry=True),
    Send("422 for the images", persona_fault("unprocessable"), ((State.FAILED, "refused"),),
         keys=2, needs_retry=True),
    Send("401 until the key is mended", wrong_api_key, ((QUEUED, "key_refused"),) * 2,
         "key_refused", sends=3),
    Send("403 until the key is allowed", persona_fault("forbidden", times=None),
         ((QUEUED, "key_refused"),) * 2, "key_refused", sends=3),
    Send("404 until the list exists", persona_fault("not_found", times=None),
         ((QUEUED, "list_unknown"),) * 2, sends=3, keys=3),
    Send("answer with a new attribute", persona_fault("new_attribute"), ACCEPTED,
         import_made=True, sends=1),
    Send("no fault", no_fault, ACCEPTED, import_made=True, sends=1),
    Send("answers in camelCase", persona_fault("camel", times=None), ACCEPTED,
         import_made=True, sends=1),
]  # fmt: skip


CLOCKS = {
    "Persona's clock an hour ahead": persona_clock_is(HOUR),
    "Persona's clock an hour behind": persona_clock_is(-HOUR),
    "our clock a day ahead": our_clock_is(DAY),
    "our clock a day behind": our_clock_is(-DAY),
}
WITH_CLOCKS = (
    *("no fault", "429 with its headers", "500 cached under the key, no import made"),
    "connection closed before the answer, import made",
    "502 with HTML twice, import made",
)
SENDS += [
    replace(
        row,
        name=f"{row.name}, {name}",
        fault=both(clock, row.fault),
        moved_clock=name.partition(" ")[0],
    )
    for name, clock in CLOCKS.items()
    for row in SENDS
    if row.name in WITH_CLOCKS
]


def marked(rows: list[Send]) -> Iterator[pytest.ParameterSet]:
    """Mark the first row of each effect, because other faults write the same to the database."""
    seen = set()
    for row in rows:
        effect = (row.after, row.gateway_problem, row.moved_clock)
        marks = [] if effect in seen else [pytest.mark.on_both_databases]
        seen.add(effect)
        yield pytest.param(row, marks=marks, id=row.name)


@pytest.mark.parametrize("row", list(marked(SENDS)))
def test_batch_is_done_once_the_fault_of_a_send_is_mended(row: Send, world: World) -> None:
    row.fault(world)
    for state, problem in row.after:
        time_passes()
        assert send_next(Leases(OWNER))
        row.then(world)
        assert (world.batch.state, world.batch.problem) == (state, problem)
    assert world.wire.has_broken.wait(PATIENCE_SECONDS)
    assert not send_next(Leases(OWNER)), "the next send does not wait"
    assert environments.gateway().problem == row.gateway_problem
    assert len(world.wire.ledger()) == row.import_made
    assert world.invariants_hold()
    world.mend()
    if row.needs_retry:
        assert retry(world.sent, world.actor) == 1
    time_passes()
    forward()
    assert_done(world)
    assert len(world.wire.sent) == row.sends
    assert len({sent.key for sent in world.wire.sent}) == row.keys


def assert_done(world: World) -> None:
    assert world.invariants_hold()
    batch = world.batch
    (entry,) = world.wire.ledger()
    assert (batch.state, batch.problem, batch.importer_id) == (State.DONE, "", entry.importer_id)
    assert entry.idempotency_key == str(batch.idempotency_key)
    assert batch.may_have_arrived, "a batch at Persona could be retried under a new key"
    assert (batch.successful_count, batch.duplicate_count, batch.error_count) == (3, 0, 0)
    assert Import.objects.get(pk=world.sent.pk).state == Import.State.COMPLETED
    assert notices.gateway_notices() == []


@pytest.mark.on_both_databases
@pytest.mark.parametrize("by", [DAY, -DAY], ids=["ahead", "behind"])
def test_lease_and_rate_budget_follow_the_database_clock(by: timedelta, world: World) -> None:
    assert claim("a worker that died")
    rate_limit.reserve(Environment.LOCAL)
    used = rate_limit.budget(Environment.LOCAL).used
    our_clock_is(by)(world)
    assert claim(OWNER) is None
    rate_limit.reserve(Environment.LOCAL)
    assert rate_limit.budget(Environment.LOCAL).used == used + 1
    world.sent.batches.update(lease_until=Now())
    assert send_next(Leases(OWNER))
    assert world.invariants_hold()
    forward()
    assert_done(world)


@pytest.mark.on_both_databases
def test_late_answer_to_an_old_key_is_not_recorded(world: World) -> None:
    """Meanwhile another worker has found no importer and released the batch for a new key."""
    import_faces = Client.import_faces

    def import_faces_late(*args: Any) -> Importer:
        importer = import_faces(*args)
        world.sent.batches.update(
            state=State.QUEUED,
            idempotency_key=uuid4(),
            fence=F("fence") + 1,
            lease_owner="",
            lease_until=None,
        )
        return importer

    world.monkeypatch.setattr(Client, "import_faces", import_faces_late)
    assert send_next(Leases(OWNER))
    assert (world.batch.state, world.batch.importer_id) == (State.QUEUED, "")
