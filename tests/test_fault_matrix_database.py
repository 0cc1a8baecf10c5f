"""The matrix of faults: PostgreSQL is gone, and comes back, while two workers send."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importers.management.commands.import_faces import TEMPLATE
from importers.persona.local import IMPORT, LocalPersona
from tests import postgresql
from tests.conftest import PASSWORD
from tests.product import Product
from tests.test_browser import write
from tests.test_fault_matrix import Wire, holds_whatever_happens

IMAGES, IMAGES_IN_A_BATCH = 80, 2
WORKERS, THREADS = 2, 2
SENDS_BETWEEN = 10
PATIENCE_SECONDS = 100  # more than twice as long as a lease
LOOK_SECONDS = 0.1
ENDED = "SELECT 1 FROM importers_batch WHERE state != 'done'"
WRITTEN = "SELECT importer_id, idempotency_key, image_count, successful_count FROM importers_batch"


class Cluster:
    """A PostgreSQL server that can be killed, and started again on the same port.

    As in production, and unlike the tests' other server, a commit is written before it is told.
    """

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._data = binaries, folder / "data"
        self._user = postgresql.unprivileged_user()
        postgresql.run_initdb(binaries, self._data, self._user)
        self._port = postgresql.free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self.start()

    def start(self) -> None:
        told = postgresql.settings(self._data.parent, self._port)
        with (self._data.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *told, "--synchronous_commit=on"],
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
                **postgresql.as_user(self._user),
            )
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
    with tempfile.TemporaryDirectory(prefix="consentry-pg-", dir="/tmp") as name:
        if user:
            os.chown(name, user.pw_uid, user.pw_gid)
        own = Cluster(binaries, Path(name))
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


def import_faces(installed: Product, list_id: str, folder: Path) -> None:
    write(folder / "faces", IMAGES)
    attestation = folder / "attestation.json"
    attestation.write_text(json.dumps(TEMPLATE))
    told = ("--list", list_id, "--user", "officer", "--attestation", str(attestation))
    installed.manage("import_faces", str(folder / "faces"), *told)


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


def the_database_agrees_with(persona: LocalPersona, installed: Product) -> bool:
    rows = {(importer, str(key), count, sent) for importer, key, count, sent in
            installed.rows(WRITTEN)}  # fmt: skip
    told = {
        (row.importer_id, row.idempotency_key, len(row.files), len(row.files))
        for row in persona.ledger()
    }
    assert installed.rows("SELECT state FROM importers_import") == [("completed",)]
    return rows == told and len(rows) == IMAGES / IMAGES_IN_A_BATCH


def test_a_database_that_goes_away_twice_while_workers_send(
    cluster: Cluster, tmp_path: Path
) -> None:
    hold = Hold()
    with (
        LocalPersona(delay=0, rate_limit=10_000, pause=hold) as persona,
        Wire(persona) as wire,
        installation(cluster, tmp_path, wire.url) as installed,
    ):
        import_faces(installed, persona.add_list("Known fraud"), tmp_path)
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
        assert the_database_agrees_with(persona, installed)
