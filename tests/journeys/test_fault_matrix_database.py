"""The matrix of faults: PostgreSQL is gone, and comes back, while two workers send."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pwd import struct_passwd

import pytest

from importers.local_persona import IMPORT, LocalPersona
from tests.journeys.test_browser import write
from tests.journeys.test_fault_matrix import Wire, holds_whatever_happens
from tests.journeys.test_kill import every_image_is_at_persona_once, the_rows_agree_with
from tests.support import postgresql
from tests.support.people import PASSWORD
from tests.support.product import Product

IMAGES, IMAGES_IN_A_BATCH = 80, 2
WORKERS, THREADS = 2, 2
SENDS_BETWEEN = 10
PATIENCE_SECONDS = 100  # more than twice as long as a lease
LOOK_SECONDS = 0.1
ENDED = "SELECT 1 FROM importers_batch WHERE state != 'done'"


class Cluster:
    """A PostgreSQL server that can be killed, and started again on the same port.

    As in production, and unlike the tests' other server, a commit is written before it is told.
    """

    def __init__(self, binaries: Path, data: Path, user: struct_passwd | None) -> None:
        self._own = (binaries, data, user, postgresql.free_port(), "--synchronous_commit=on")
        self._data = data
        self.start()

    def start(self) -> None:
        self.process, self.url = postgresql.launch(*self._own)
        assert postgresql.answers(self.process, self.url, self._data)

    def is_gone(self) -> None:
        """An "immediate" shutdown: no connection and no transaction is ended in order."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def cluster(postgresql_url: str) -> Iterator[Cluster]:
    """Of our own: nobody else is disturbed. (Where there is none at all, the other one skips.)"""
    binaries, user = postgresql.find_binaries(), postgresql.unprivileged_user()
    assert binaries
    with postgresql.new_cluster(binaries, user) as data:
        own = Cluster(binaries, data, user)
        try:
            yield own
        finally:
            postgresql.stop(own.process)


class Hold:
    """Persona has requests in hand, counted as they come, and answers none until let go."""

    def __init__(self) -> None:
        self._in_hand, self.let_go = threading.Semaphore(0), threading.Event()

    def __call__(self, seconds: float) -> None:
        self._in_hand.release()
        self.let_go.wait(PATIENCE_SECONDS)

    def comes_to(self, sends: int) -> bool:
        return all(self._in_hand.acquire(timeout=PATIENCE_SECONDS) for _ in range(sends))


@contextmanager
def installation(cluster: Cluster, folder: Path, url: str) -> Iterator[Product]:
    options = {"PERSONA_RATE_SHARE": "1", "BATCH_MAX_IMAGES": str(IMAGES_IN_A_BATCH)}
    installed = Product(folder, url, PASSWORD, cluster.url, **options)
    try:
        yield installed
    finally:
        installed.stop()


def are_at_work(workers: list[subprocess.Popen[bytes]]) -> bool:
    return [worker.poll() for worker in workers] == [None] * WORKERS


def all_ends(installed: Product, workers: list[subprocess.Popen[bytes]]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while installed.rows(ENDED):
        assert are_at_work(workers)
        assert time.monotonic() < deadline, installed.rows(
            "SELECT state, attempts, lease_until, lease_owner, problem FROM importers_batch "
            "WHERE state != 'done'"
        )
        threading.Event().wait(LOOK_SECONDS)
    return True


def test_a_database_that_goes_away_twice_while_workers_send(
    cluster: Cluster, tmp_path: Path
) -> None:
    hold = Hold()
    with (
        LocalPersona(delay=0, rate_limit=10_000, pause=hold) as persona,
        Wire(persona) as wire,
        installation(cluster, tmp_path, wire.url) as installed,
    ):
        write(tmp_path / "faces", IMAGES)
        installed.import_faces(tmp_path / "faces", persona.add_list("Known fraud"))
        persona.faults.inject("slow", None, IMPORT)
        told = ("--threads", str(THREADS))
        workers = [installed.start_worker(*told) for _ in range(WORKERS)]

        assert hold.comes_to(WORKERS * THREADS)
        cluster.is_gone()
        hold.let_go.set()  # what Persona answers now can't be written
        cluster.start()
        assert hold.comes_to(SENDS_BETWEEN)
        cluster.is_gone()
        cluster.start()

        assert all_ends(installed, workers)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_SECONDS) == 0
        installed.manage("verify_audit")
        assert holds_whatever_happens(installed.rows, wire, [])
        assert every_image_is_at_persona_once(installed, persona, IMAGES)
        assert the_rows_agree_with(persona, installed)
        assert len(persona.ledger()) == IMAGES / IMAGES_IN_A_BATCH
