"""The matrix of faults: what each does at once, and what is true in the end.

Every row is a test over real HTTP; and after every row the same few things hold, whatever the
fault was (`holds_whatever_happens`). Storage and the database have tables of their own, beside.
"""

import re
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connection as database
from pytest_django import Settings

from importers import audit, connection, consent, pacing
from importers.audit import Actor
from importers.forwarding.retry import retry
from importers.forwarding.send import claim, send_next
from importers.images import digest
from importers.local_persona import LedgerEntry, LocalPersona, bodies
from importers.models import Batch, Environment, FaceList, Import
from importers.persona.client import Client, ImageFile
from tests.support.attestations import submit
from tests.support.batches import lease_runs_out
from tests.support.forwarding import Clock, forward, time_passes
from tests.support.pictures import draw
from tests.support.scripted_persona import reset

State = Batch.State
Query = Callable[[str], list[tuple[Any, ...]]]
OWNER = "the test's worker"
PATIENCE_SECONDS = 20
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOBODY_LISTENS = "http://127.0.0.1:1"
IMAGES = """
    SELECT sha256, batch.face_import_id, manifest_sha256, importer_id, problem, problem_detail
    FROM importers_image image JOIN importers_batch batch ON batch.id = batch_id
    LEFT JOIN importers_attestation a ON a.face_import_id = batch.face_import_id
"""
BATCHES = """
    SELECT batch.state, of_import.state, batch.problem, problem_detail, persona_status,
        next_attempt_at, lease_until, held_until,
        (SELECT max(paused_until) FROM importers_personaline)
    FROM importers_batch batch JOIN importers_import of_import ON of_import.id = face_import_id
    JOIN importers_facelist list ON list.id = face_list_id
"""


@dataclass(frozen=True)
class Break:
    """Where the line breaks off, and how: with a reset, in silence, or in half an answer."""

    how: str
    body_is_read: bool = True
    is_made: bool = False


@dataclass(frozen=True)
class Sent:
    """A request to import faces, as it lay on the wire; `content` is empty where it broke off."""

    key: str
    content: str
    hashes: tuple[str, ...] = ()


class Wire(ThreadingTCPServer):
    """Between us and Local Persona: keeps what we send, and breaks off where a row says so."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, persona: LocalPersona) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self._persona, self._there = persona, urlsplit(persona.url)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"http://{self.address}{self._there.path}"
        self.sent: list[Sent] = []
        self.breaks: Break | None = None
        self.has_broken = threading.Event()
        self.has_broken.set()

    def __enter__(self) -> "Wire":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, request: bytes) -> bytes:
        """Persona's own."""
        with socket.create_connection((self._there.hostname, self._there.port)) as persona:
            persona.sendall(request)
            persona.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: persona.recv(65_536), b""))

    def ledger(self) -> list[LedgerEntry]:
        """The imports that Persona made of what went over this wire."""
        return [row for row in self._persona.ledger() if row.headers["host"] == self.address]


class Passage(BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        broken, self.server.breaks = self.server.breaks, None
        head = self._read_until(lambda read: b"\r\n\r\n" in read)
        length = int(_header(b"content-length", head) or 0)
        whole = head.index(b"\r\n\r\n") + 4 + length if head else 0
        read_on = broken is None or broken.body_is_read
        request = self._read_until(lambda read: len(read) >= whole, head) if read_on else head
        self._keep(request, whole)
        answer = self.server.answer(request) if broken is None or broken.is_made else b""
        if broken is None:
            self.request.sendall(answer)
            return
        self._break(broken.how, answer)

    def _break(self, how: str, answer: bytes) -> None:
        self.server.has_broken.set()
        if how == "half":
            self.request.sendall(answer[:-20])
        elif how == "silence":
            self.request.recv(1)  # until the other side gives up
        else:
            reset(self.request, self.server.has_broken)

    def _read_until(self, enough: Callable[[bytes], bool], read: bytes = b"") -> bytes:
        while not enough(read) and (piece := self.request.recv(65_536)):
            read += piece
        return read

    def _keep(self, request: bytes, whole: int) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        key = _header(b"idempotency-key", head)
        if not key:
            return
        if len(request) < whole:
            self.server.sent.append(Sent(key, ""))
            return
        files = bodies.parse(_header(b"content-type", head), body).files
        self.server.sent.append(Sent(key, digest(body), tuple(file.sha256 for file in files)))


def _header(name: bytes, head: bytes) -> str:
    found = re.search(rb"^" + name + rb": *(.+?)\r?$", head, re.IGNORECASE | re.MULTILINE)
    return found[1].decode() if found else ""


def holds_whatever_happens(rows: Query, wire: Wire, breaks_in_the_audit_trail: list[str]) -> bool:
    every_image_arrived_once_or_it_is_said_why_not(rows, wire)
    no_key_went_out_with_two_contents(wire)
    all_that_was_sent_is_attested(rows, wire)
    every_batch_goes_on_or_waits_for_a_person(rows)
    assert breaks_in_the_audit_trail == []
    return True


def every_image_arrived_once_or_it_is_said_why_not(rows: Query, wire: Wire) -> None:
    """So none lies at Persona under two keys either."""
    arrived = defaultdict(list)
    for entry in wire.ledger():
        for file in entry.files:
            arrived[file.sha256].append((entry.importer_id, entry.idempotency_key))
    images = rows(IMAGES)
    assert arrived.keys() <= {sha256 for sha256, *_ in images}
    for sha256, _, _, importer_id, problem, sentence in images:
        assert len(arrived[sha256]) <= 1, "an image was imported twice"
        if arrived[sha256]:
            assert importer_id in ("", arrived[sha256][0][0])
        else:
            assert importer_id == ""
            assert all((problem, sentence)), "an image is lost without a word"


def no_key_went_out_with_two_contents(wire: Wire) -> None:
    contents = defaultdict(set)
    for sent in wire.sent:
        if sent.content:
            contents[sent.key].add(sent.content)
    assert set(map(len, contents.values())) <= {1}


def all_that_was_sent_is_attested(rows: Query, wire: Wire) -> None:
    manifests = defaultdict(list)
    for sha256, of_import, manifest, *_ in rows(IMAGES):
        manifests[of_import, manifest].append(sha256)
    attested = {
        sha256
        for (_, manifest), hashes in manifests.items()
        if consent.manifest_sha256(sorted(hashes)) == manifest
        for sha256 in hashes
    }
    assert {sha256 for sent in wire.sent for sha256 in sent.hashes} <= attested


def every_batch_goes_on_or_waits_for_a_person(rows: Query) -> None:
    soon = datetime.now(UTC) + HOUR
    for state, of_import, problem, sentence, persona_status, due, lease, *holds in rows(BATCHES):
        if state == State.FAILED:
            assert all((problem, sentence))
        elif state == State.ERRORED:
            assert persona_status
        elif state == State.SENDING:
            assert lease is not None
            assert moment(lease) < soon
        elif state != State.DONE:
            assert of_import == Import.State.FORWARDING
            assert all(moment(wait) < soon for wait in (due, *holds) if wait)


def moment(value: Any) -> datetime:
    """SQLite gives text."""
    found = datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """An import of three images in one batch, and all that a fault can strike."""

    persona: LocalPersona
    wire: Wire
    clock: Clock
    sent: Import
    actor: Actor
    settings: Settings
    monkeypatch: pytest.MonkeyPatch

    @property
    def batch(self) -> Batch:
        return self.sent.batches.get()

    def is_mended(self) -> None:
        self.persona.faults.clear()
        self.settings.PERSONA_BASE_URL = self.wire.url
        self.settings.PERSONA_API_KEY = self.persona.key
        self.settings.PERSONA_TIMEOUT_SECONDS = 60

    def holds(self) -> bool:
        return holds_whatever_happens(own_rows, self.wire, list(audit.breaks()))


def own_rows(sql: str) -> list[tuple[Any, ...]]:
    with database.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@pytest.fixture
def persona(clock: Clock, settings: Settings) -> Iterator[LocalPersona]:
    with LocalPersona(delay=0, clock=clock) as server:
        settings.PERSONA_API_KEY, settings.PERSONA_IS_LOCAL = server.key, True
        yield server


@pytest.fixture
def wire(persona: LocalPersona, settings: Settings) -> Iterator[Wire]:
    with Wire(persona) as line:
        settings.PERSONA_BASE_URL = line.url
        yield line


@pytest.fixture
def world(
    persona: LocalPersona,
    wire: Wire,
    clock: Clock,
    make_draft: Callable[..., Import],
    known_list: FaceList,
    actor: Actor,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    sent = submit(make_draft(known_list), actor)
    return World(persona, wire, clock, sent, actor, settings, monkeypatch)


Fault = Callable[[World], None]


def nothing(world: World) -> None:
    """All is well."""


def persona_does(kind: str, times: int | None = 1, **options: Any) -> Fault:
    def strike(world: World) -> None:
        world.persona.faults.inject(kind, times, **options)

    return strike


def the_wire(how: str, **options: bool) -> Fault:
    def strike(world: World) -> None:
        world.wire.breaks = Break(how, **options)
        world.wire.has_broken.clear()
        world.settings.PERSONA_TIMEOUT_SECONDS = 0.5 if how == "silence" else 60

    return strike


def nobody_listens(world: World) -> None:
    world.settings.PERSONA_BASE_URL = NOBODY_LISTENS


def our_key_is_wrong(world: World) -> None:
    world.settings.PERSONA_API_KEY = "persona_sandbox_of_last_year"


def the_key_went_out_with_another_picture(world: World) -> None:
    key = uuid4()
    world.sent.batches.update(idempotency_key=key)
    settings = {"version": "2025-12-08", "timeout_seconds": 10}
    client = Client(world.persona.url, world.persona.key, **settings)  # type: ignore[arg-type]
    other = ImageFile("other.jpg", "image/jpeg", draw(99))
    client.import_faces(world.sent.face_list.persona_id, [other], str(key))


def persona_s_clock_is(ahead: timedelta) -> Fault:
    def strike(world: World) -> None:
        world.clock.ahead = ahead

    return strike


def our_clock_jumps(by: timedelta) -> Fault:
    """The clock of this process, in every module of ours that reads it; not the database's."""

    class Datetimes(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Jumped(datetime, metaclass=Datetimes):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    def strike(world: World) -> None:
        machine = time.time
        for name, module in list(sys.modules.items()):
            is_ours = name.startswith("importers.") or name == "django.utils.timezone"
            if is_ours and getattr(module, "datetime", None) is datetime:
                world.monkeypatch.setattr(module, "datetime", Jumped)
        world.monkeypatch.setattr(time, "time", lambda: machine() + by.total_seconds())

    return strike


def both(one: Fault, other: Fault) -> Fault:
    def strike(world: World) -> None:
        one(world)
        other(world)

    return strike


QUEUED, UNKNOWN, IMPORTING = State.QUEUED, State.UNKNOWN, State.IMPORTING
NO_ANSWER = ((UNKNOWN, "no_answer"),)
TROUBLE = ((UNKNOWN, "server_trouble"),)
TAKEN = ((IMPORTING, ""),)


@dataclass(frozen=True)
class Send:
    """A fault that strikes at a send. In the end the batch is done, however it came there.

    `after`: the batch's state and problem after each send until the fault is mended; `line`: what
    is wrong with the line by then; `made`: whether the import is made by then. In the end there
    were `sends` under `keys` keys; `a_person` says that somebody had to ask for another try; what
    struck after each send is `then`.
    """

    name: str
    fault: Fault
    after: tuple[tuple[Batch.State, str], ...]
    line: str = ""
    made: bool = False
    sends: int = 2
    keys: int = 1
    a_person: bool = False
    then: Fault = nothing


UNREACHABLE = "unreachable"
SENDS = [
    Send("the connection is refused", nobody_listens, ((QUEUED, UNREACHABLE),), UNREACHABLE,
         sends=1),
    Send("a reset before the body is read", the_wire("reset", body_is_read=False), NO_ANSWER,
         UNREACHABLE),
    Send("a reset after the body, nothing made", the_wire("reset"), NO_ANSWER, UNREACHABLE),
    Send("a reset before the answer, the import made", the_wire("reset", is_made=True), NO_ANSWER,
         UNREACHABLE, made=True),
    Send("the connection ends before the body is read", persona_does("drop_before_body"),
         NO_ANSWER, UNREACHABLE),
    Send("the connection ends after the body, nothing made", persona_does("drop_unmade"),
         NO_ANSWER, UNREACHABLE),
    Send("the connection ends before the answer, the import made", persona_does("drop_made"),
         NO_ANSWER, UNREACHABLE, made=True),
    Send("the answer breaks off, the import made", the_wire("half", is_made=True), NO_ANSWER,
         UNREACHABLE, made=True),
    Send("a timeout, nothing made", the_wire("silence"), NO_ANSWER, UNREACHABLE),
    Send("a timeout after the import was made", the_wire("silence", is_made=True), NO_ANSWER,
         UNREACHABLE, made=True),
    Send("429 with its headers", persona_does("rate_limited", reset_seconds=43),
         ((QUEUED, "rate_limited"),), "rate_limited"),
    Send("429 without headers", persona_does("rate_limited_bare"), ((QUEUED, "rate_limited"),),
         "rate_limited"),
    Send("429 after a lost answer, the import made", persona_does("drop_made"),
         (*NO_ANSWER, (UNKNOWN, "rate_limited")), "rate_limited", made=True, sends=3,
         then=persona_does("rate_limited")),
    Send("500 once, not kept under the key", persona_does("server_error", cached=False), TROUBLE),
    Send("500 replayed under the key, nothing made", persona_does("server_error"), TROUBLE * 2,
         sends=3, keys=2),
    Send("500 replayed under the key, the import made", persona_does("server_error_made"),
         TROUBLE * 2, made=True),
    Send("502 with HTML, nothing made", persona_does("bad_gateway"), TROUBLE),
    Send("502 with HTML, the import made", persona_does("bad_gateway_made"), TROUBLE, made=True),
    Send("502 with HTML twice, the import made", persona_does("bad_gateway_made", times=2),
         TROUBLE * 2, made=True),
    Send("503", persona_does("unavailable"), TROUBLE),
    Send("200 with broken JSON", persona_does("broken_json"), TROUBLE, made=True),
    Send("200 with broken JSON twice", persona_does("broken_json", times=2), TROUBLE * 2,
         made=True),
    Send("201 without an id", persona_does("no_id"), TROUBLE, made=True),
    Send("201 without an id twice", persona_does("no_id", times=2), TROUBLE * 2, made=True),
    Send("409", persona_does("conflict"), ((UNKNOWN, "conflict"),)),
    Send("409 after a lost answer, the import made", persona_does("drop_made"),
         (*NO_ANSWER, (UNKNOWN, "conflict")), made=True, then=persona_does("conflict")),
    Send("400 Idempotency error", the_key_went_out_with_another_picture,
         ((State.FAILED, "key_reused"),), keys=2, a_person=True),
    Send("422 for the images", persona_does("unprocessable"), ((State.FAILED, "refused"),),
         keys=2, a_person=True),
    Send("401 until the key is right", our_key_is_wrong, ((QUEUED, "key_refused"),) * 2,
         "key_refused", sends=3),
    Send("403 until the key may", persona_does("forbidden", times=None),
         ((QUEUED, "key_refused"),) * 2, "key_refused", sends=3),
    Send("404 until the list is known", persona_does("not_found", times=None),
         ((QUEUED, "list_unknown"),) * 2, sends=3, keys=3),
    Send("a new attribute", persona_does("new_attribute"), TAKEN, made=True, sends=1),
    Send("no trouble at all", nothing, TAKEN, made=True, sends=1),
    Send("camelCase answers", persona_does("camel", times=None), TAKEN, made=True, sends=1),
]  # fmt: skip


CLOCKS = {
    "Persona's clock an hour ahead": persona_s_clock_is(HOUR),
    "Persona's clock an hour behind": persona_s_clock_is(-HOUR),
    "our clock a day ahead": our_clock_jumps(DAY),
    "our clock a day behind": our_clock_jumps(-DAY),
}
MEET_CLOCKS = (
    *("no trouble at all", "429 with its headers", "500 replayed under the key, nothing made"),
    "the connection ends before the answer, the import made",
    "502 with HTML twice, the import made",
)
SENDS += [
    replace(row, name=f"{row.name}, {name}", fault=both(clock, row.fault))
    for name, clock in CLOCKS.items()
    for row in SENDS
    if row.name in MEET_CLOCKS
]


@pytest.mark.django_db
@pytest.mark.parametrize("row", SENDS, ids=lambda row: row.name)
def test_a_send_that_meets(row: Send, world: World) -> None:
    row.fault(world)
    for state, problem in row.after:
        time_passes()
        assert send_next(OWNER)
        row.then(world)
        assert (world.batch.state, world.batch.problem) == (state, problem)
    assert world.wire.has_broken.wait(PATIENCE_SECONDS)
    assert not send_next(OWNER), "there is a wait, or nothing to do"
    assert connection.line().problem == row.line
    assert len(world.wire.ledger()) == row.made
    assert world.holds()
    world.is_mended()
    if row.a_person:
        assert retry(world.sent, world.actor) == 1
    time_passes()
    forward()
    ends_well(world)
    assert len(world.wire.sent) == row.sends
    assert len({sent.key for sent in world.wire.sent}) == row.keys


def ends_well(world: World) -> None:
    assert world.holds()
    batch = world.batch
    (entry,) = world.wire.ledger()
    assert (batch.state, batch.problem, batch.importer_id) == (State.DONE, "", entry.importer_id)
    assert entry.idempotency_key == str(batch.idempotency_key)
    assert (batch.successful_count, batch.duplicate_count, batch.error_count) == (3, 0, 0)
    assert Import.objects.get(pk=world.sent.pk).state == Import.State.COMPLETED
    assert connection.line().problem == ""


@pytest.mark.django_db
@pytest.mark.parametrize("by", [DAY, -DAY], ids=["ahead", "behind"])
def test_a_lease_and_our_share_end_by_the_database_s_clock_when_ours_jumps(
    by: timedelta, world: World
) -> None:
    assert claim("a worker that died")
    assert not pacing.take(Environment.LOCAL)
    taken = pacing.share(Environment.LOCAL).taken
    our_clock_jumps(by)(world)
    assert claim(OWNER) is None
    assert not pacing.take(Environment.LOCAL)
    assert pacing.share(Environment.LOCAL).taken == taken + 1
    lease_runs_out()
    assert send_next(OWNER)
    assert world.holds()
    forward()
    ends_well(world)
