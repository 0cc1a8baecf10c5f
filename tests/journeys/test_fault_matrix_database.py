"""The fault matrix of the database: PostgreSQL stops and starts again while two workers send."""

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
from tests.support import postgresql
from tests.support.faces import write_faces
from tests.support.fault_matrix import invariants_hold
from tests.support.outcome import assert_each_image_sent_once, assert_rows_match_ledger
from tests.support.people import PASSWORD
from tests.support.product import Product
from tests.support.wire import Wire

IMAGES, IMAGES_IN_A_BATCH = 48, 2
WORKERS, THREADS = 2, 2
SENDS_BETWEEN = 10
LEASE_SECONDS = 5
PATIENCE_SECONDS = 100
CHECK_EVERY_SECONDS = 0.1
NOT_DONE = "SELECT 1 FROM importers_batch WHERE state != 'done'"


class Cluster:
    """A PostgreSQL server that can be stopped and started again on the same port.

    As in production, and unlike the tests' other server, it confirms a commit once it is written.
    """

    def __init__(self, binaries: Path, data: Path, user: struct_passwd | None) -> None:
        self._own = (binaries, data, user, postgresql.free_port())
        self._data = data
        self.start()

    def start(self) -> None:
        self.process, self.url = postgresql.launch(*self._own)
        assert postgresql.answers(self.process, self.url, self._data)

    def crash(self) -> None:
        """An "immediate" shutdown ends no connection and no transaction in order."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def cluster(postgresql_url: str) -> Iterator[Cluster]:
    """A cluster for this test alone. `postgresql_url` skips the test if there is no PostgreSQL."""
    binaries, user = postgresql.find_binaries(), postgresql.unprivileged_user()
    assert binaries
    with postgresql.new_cluster(binaries, user) as data:
        own = Cluster(binaries, data, user)
        try:
            yield own
        finally:
            postgresql.stop(own.process)


class Hold:
    """Persona counts the sends that arrive, and answers none of them until released."""

    def __init__(self) -> None:
        self._arrived, self.released = threading.Semaphore(0), threading.Event()

    def __call__(self, seconds: float) -> None:
        self._arrived.release()
        self.released.wait(PATIENCE_SECONDS)

    def wait_for(self, sends: int) -> bool:
        return all(self._arrived.acquire(timeout=PATIENCE_SECONDS) for _ in range(sends))


@contextmanager
def installation(cluster: Cluster, folder: Path, url: str) -> Iterator[Product]:
    options = {
        "PERSONA_RATE_SHARE": "1",
        "BATCH_MAX_IMAGES": str(IMAGES_IN_A_BATCH),
        "BATCH_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    installed = Product(folder, url, PASSWORD, cluster.url, **options)
    try:
        yield installed
    finally:
        installed.stop()


def wait_until_done(installed: Product, workers: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while installed.rows(NOT_DONE):
        assert [worker.poll() for worker in workers] == [None] * WORKERS
        assert time.monotonic() < deadline, installed.rows(
            "SELECT state, attempts, lease_until, lease_owner, problem FROM importers_batch "
            "WHERE state != 'done'"
        )
        threading.Event().wait(CHECK_EVERY_SECONDS)


def test_workers_survive_two_crashes_of_the_database(cluster: Cluster, tmp_path: Path) -> None:
    hold = Hold()
    with (
        LocalPersona(delay=0, rate_limit=10_000, pause=hold) as persona,
        Wire(persona) as wire,
        installation(cluster, tmp_path, wire.url) as installed,
    ):
        write_faces(tmp_path / "faces", IMAGES)
        installed.import_faces(tmp_path / "faces", persona.add_list("Known fraud"))
        persona.faults.inject("slow", None, IMPORT)
        workers = [installed.start_worker("--threads", str(THREADS)) for _ in range(WORKERS)]

        assert hold.wait_for(WORKERS * THREADS)
        cluster.crash()
        hold.released.set()  # Persona's answers cannot be recorded now
        cluster.start()
        assert hold.wait_for(SENDS_BETWEEN)
        cluster.crash()
        cluster.start()

        wait_until_done(installed, workers)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_SECONDS) == 0
        installed.manage("verify_audit")
        assert invariants_hold(installed.rows, wire, check_audit=False)
        assert_each_image_sent_once(installed, persona, IMAGES)
        assert_rows_match_ledger(installed, persona)
        assert len(persona.ledger()) == IMAGES / IMAGES_IN_A_BATCH
