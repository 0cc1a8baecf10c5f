"""The worker as a process of its own: what it does, and how it stops or is killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models.functions import Now
from pytest_django import Settings

from importers.audit import verification
from importers.audit.actors import Actor
from importers.local_persona import IMPORT, LocalPersona
from importers.models import Batch, FaceList, Gateway, Import, Worker
from importers.worker import process
from tests.support.attestations import submit
from tests.support.forwarding import environment_beside, every_image_is_there_once, states_of

State = Batch.State
PATIENCE_SECONDS = 60
pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., subprocess.Popen[str]]


class Hold:
    """Holds each request at Persona until `release` is set."""

    def __init__(self) -> None:
        self.received, self.release = threading.Event(), threading.Event()

    def __call__(self, seconds: float) -> None:
        self.received.set()
        self.release.wait(PATIENCE_SECONDS)


@pytest.fixture
def hold() -> Hold:
    return Hold()


@pytest.fixture
def persona(settings: Settings, hold: Hold) -> Iterator[LocalPersona]:
    with LocalPersona(delay=0, pause=hold) as server:
        settings.PERSONA_BASE_URL = server.url
        settings.PERSONA_IS_LOCAL = True
        yield server
        hold.release.set()


@pytest.fixture
def start(persona: LocalPersona, media: Path) -> Iterator[Start]:
    """Starts `manage.py forward` with the database, the images and the Persona of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, str(project.BASE_DIR / "manage.py"), "forward", *arguments],
            env=environment_beside(persona, media),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        with worker:
            worker.kill()


def output_of(worker: subprocess.Popen[str]) -> str:
    """Wait until the process ends without a traceback, and return what it logged."""
    output, _ = worker.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in output, output
    return output


def exit_code(worker: subprocess.Popen[str]) -> int:
    output_of(worker)
    return worker.returncode


@pytest.fixture
def sent(
    make_draft: Callable[..., Import], known_list: FaceList, actor: Actor, settings: Settings
) -> Import:
    """An import of three batches, ready to be sent."""
    settings.BATCH_MAX_IMAGES = 2
    return submit(make_draft(known_list, images=6), actor)


class TestOnce:
    def test_once_sends_one_batch_and_ends(
        self, persona: LocalPersona, sent: Import, start: Start
    ) -> None:
        assert exit_code(start("--once")) == 0
        assert states_of(sent) == [State.IMPORTING, State.QUEUED, State.QUEUED]
        assert len(persona.ledger()) == 1

    def test_once_polls_a_batch_that_is_due(
        self, persona: LocalPersona, sent: Import, start: Start
    ) -> None:
        assert exit_code(start("--once")) == 0
        Batch.objects.filter(state=State.IMPORTING).update(next_attempt_at=Now())
        assert exit_code(start("--once")) == 0
        assert states_of(sent) == [State.DONE, State.DONE, State.QUEUED]


class TestDrain:
    def test_drain_ends_when_every_batch_has_ended(
        self, persona: LocalPersona, sent: Import, start: Start
    ) -> None:
        worker = start("--drain", "--threads", "4")
        assert "the worker ends: every batch has finished" in output_of(worker)
        assert worker.returncode == 0
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED
        assert every_image_is_there_once(persona, sent)
        assert not Worker.objects.exists(), "a worker that ended normally is no longer listed"
        assert list(verification.find_breaks()) == []

    def test_drain_ends_at_once_without_work(self, persona: LocalPersona, start: Start) -> None:
        assert exit_code(start("--drain")) == 0
        assert [request.path for request in persona.requests()] == ["/api/v1/lists"]

    def test_drain_ends_if_a_batch_needs_a_person(
        self, persona: LocalPersona, sent: Import, start: Start
    ) -> None:
        persona.faults.inject("unprocessable")
        assert exit_code(start("--drain", "--threads", "1")) == 0
        assert states_of(sent) == [State.FAILED, State.DONE, State.DONE]
        sent.refresh_from_db()
        assert sent.state == Import.State.NEEDS_ATTENTION

    def test_drain_tries_an_open_breaker_at_once(
        self, persona: LocalPersona, sent: Import, start: Start
    ) -> None:
        Gateway.objects.create(
            environment="local",
            problem="key_refused",
            reads_fail=True,
            retry_at=Now() + timedelta(hours=1),
        )
        assert exit_code(start("--drain")) == 0
        assert states_of(sent) == [State.DONE] * 3


class TestWithoutOptions:
    def test_idle_worker_sends_a_new_import(
        self,
        persona: LocalPersona,
        hold: Hold,
        make_draft: Callable[..., Import],
        known_list: FaceList,
        actor: Actor,
        start: Start,
    ) -> None:
        persona.faults.inject("slow", where="GET /lists")
        worker = start()
        assert hold.received.wait(PATIENCE_SECONDS)
        hold.received.clear()
        hold.release.set()
        persona.faults.inject("slow", where=IMPORT)
        submit(make_draft(known_list), actor)
        assert hold.received.wait(PATIENCE_SECONDS)
        worker.send_signal(signal.SIGTERM)
        assert exit_code(worker) == 0
        assert len(persona.ledger()) == 1


class TestStop:
    @pytest.mark.parametrize(
        "signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]]
    )
    def test_signal_finishes_only_the_request_in_hand(
        self,
        persona: LocalPersona,
        hold: Hold,
        sent: Import,
        start: Start,
        signals: list[signal.Signals],
    ) -> None:
        persona.faults.inject("slow", where=IMPORT)
        worker = start("--threads", "1")
        assert hold.received.wait(PATIENCE_SECONDS)
        for number in signals:
            worker.send_signal(number)
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(0.5)
        assert State.SENDING in states_of(sent)
        hold.release.set()
        log = output_of(worker)
        assert worker.returncode == 0
        assert log.count(f"received {signals[0].name}") == len(signals)
        assert "the worker ends with 3 batches unfinished" in log
        assert sorted(states_of(sent)) == [State.IMPORTING, State.QUEUED, State.QUEUED]
        (entry,) = persona.ledger()
        assert sent.batches.get(state=State.IMPORTING).importer_id == entry.importer_id

    def test_stopping_worker_returns_prepared_batch(
        self, persona: LocalPersona, hold: Hold, sent: Import, start: Start
    ) -> None:
        persona.faults.inject("slow", where=IMPORT)
        worker = start("--threads", "1")
        assert hold.received.wait(PATIENCE_SECONDS)
        while sent.batches.filter(state=State.SENDING).count() < 2:
            assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(1)
        hold.release.set()
        assert exit_code(worker) == 0
        returned = sent.batches.get(state=State.QUEUED, attempts=1)
        assert (returned.problem, returned.lease_until) == ("", None)
        assert (returned.may_have_arrived, returned.sends.count()) == (False, 0)
        assert len(persona.ledger()) == 1
        assert Batch.objects.filter(pk=returned.pk).due().exists()

    def test_waiting_worker_stops_at_once(
        self, persona: LocalPersona, hold: Hold, start: Start
    ) -> None:
        hold.release.set()
        persona.faults.inject("slow", where="GET /lists")
        worker = start()
        assert hold.received.wait(PATIENCE_SECONDS)
        worker.send_signal(signal.SIGTERM)
        assert exit_code(worker) == 0


class TestKill:
    @pytest.mark.parametrize(("fault", "made"), [("slow", 1), ("drop_unmade", 0)])
    def test_kill_during_a_send_loses_nothing(
        self,
        persona: LocalPersona,
        hold: Hold,
        sent: Import,
        start: Start,
        fault: str,
        made: int,
    ) -> None:
        persona.faults.inject(fault, where=IMPORT, seconds=1)
        worker = start("--threads", "1")
        assert hold.received.wait(PATIENCE_SECONDS)
        worker.kill()
        worker.wait()
        hold.release.set()
        batch = sent.batches.get(number=1)
        assert (batch.state, batch.attempts, batch.importer_id) == (State.SENDING, 1, "")
        assert len(persona.ledger()) == made
        Batch.objects.filter(state=State.SENDING).update(lease_until=Now())
        assert exit_code(start("--drain")) == 0
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED
        assert every_image_is_there_once(persona, sent)
        under = [entry.idempotency_key for entry in persona.ledger()]
        assert under.count(str(batch.idempotency_key)) == 1
        assert len(under) == 3
        assert list(verification.find_breaks()) == []

    def test_killed_workers_batch_waits_for_lease_end(
        self, persona: LocalPersona, hold: Hold, sent: Import, start: Start
    ) -> None:
        persona.faults.inject("slow", where=IMPORT)
        worker = start("--threads", "1")
        assert hold.received.wait(PATIENCE_SECONDS)
        worker.kill()
        worker.wait()
        hold.release.set()
        assert exit_code(start("--once")) == 0
        first, *others = states_of(sent)
        assert first == State.SENDING
        assert others.count(State.IMPORTING) == 1


class TestFreeze:
    def test_worker_frozen_beyond_its_lease_changes_nothing_afterwards(
        self, persona: LocalPersona, hold: Hold, sent: Import, start: Start
    ) -> None:
        """Another worker takes over, and then the first one gets its answer."""
        persona.faults.inject("slow", where=IMPORT)
        frozen = start("--threads", "1")
        assert hold.received.wait(PATIENCE_SECONDS)
        with transaction.atomic():  # so that the worker does not hold SQLite's only write lock
            Batch.objects.filter(state=State.SENDING).update(lease_until=Now())
            frozen.send_signal(signal.SIGSTOP)
        hold.release.set()
        other = start("--drain")
        assert exit_code(other) == 0
        before = list(sent.batches.values())
        assert {row["state"] for row in before} == {State.DONE}
        frozen.send_signal(signal.SIGCONT)
        frozen.send_signal(signal.SIGTERM)
        assert exit_code(frozen) == 0
        assert list(sent.batches.values()) == before
        assert every_image_is_there_once(persona, sent)
        assert len(persona.ledger()) == 3
        assert list(verification.find_breaks()) == []


class TestBrokenThread:
    def test_exception_in_a_thread_stops_the_worker(
        self, persona: LocalPersona, sent: Import, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> bool:
            raise LookupError("a fault of our own")

        monkeypatch.setattr(process, "send_next", broken)
        with pytest.raises(LookupError, match="a fault of our own"):
            process.run(threading.Event(), 2)


@pytest.mark.parametrize("threads", ["0", "-1"])
@pytest.mark.parametrize("how", [[], ["--drain"], ["--once"]])
def test_worker_without_threads_is_refused(threads: str, how: list[str]) -> None:
    with pytest.raises(CommandError, match="--threads must be 1 or more"):
        call_command("forward", "--threads", threads, *how)


def test_once_and_drain_together_are_refused() -> None:
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("forward", "--once", "--drain")
