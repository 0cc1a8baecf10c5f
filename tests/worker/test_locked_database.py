"""A worker while another process holds SQLite's write lock for longer than the worker waits."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connections
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.local_persona import LocalPersona
from importers.models import FaceList, Import
from importers.worker import jobs, process
from tests.support.attestations import submit
from tests.support.forwarding import every_image_is_there_once

PATIENCE_SECONDS = 30


class Refusal(logging.Handler):
    """Notices the first time that the worker cannot use the database."""

    def __init__(self) -> None:
        super().__init__()
        self.is_logged = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "the database is unavailable" in record.getMessage():
            self.is_logged.set()


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """New connections wait a moment for the lock, and the worker a moment between its tries."""
    monkeypatch.setitem(connections.settings["default"]["OPTIONS"], "timeout", 0.5)
    monkeypatch.setattr(process, "AFTER_DATABASE_TROUBLE_SECONDS", 0.05)
    connections.close_all()
    yield
    connections.close_all()


def work(stop: threading.Event) -> None:
    try:
        process.run(stop, 1, until=jobs.is_drained)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_worker_waits_for_a_locked_database_and_then_sends(
    persona: LocalPersona,
    make_draft: Callable[..., Import],
    known_list: FaceList,
    actor: Actor,
    short_waits: None,
    settings: Settings,
) -> None:
    settings.BATCH_LEASE_SECONDS = 2  # if the lock meets the outcome of a batch, that is not lost
    sent = submit(make_draft(known_list), actor)
    stop, refusal = threading.Event(), Refusal()
    process.log.addHandler(refusal)
    database = connections["default"].settings_dict["NAME"]
    try:
        with ThreadPoolExecutor(1) as pool:
            with closing(sqlite3.connect(database)) as other:
                other.execute("BEGIN IMMEDIATE")
                worker = pool.submit(work, stop)
                assert refusal.is_logged.wait(PATIENCE_SECONDS)
                assert not worker.done()
                assert persona.ledger() == []
            worker.result(PATIENCE_SECONDS)
    finally:
        stop.set()
        process.log.removeHandler(refusal)
    sent.refresh_from_db()
    assert sent.state == Import.State.COMPLETED
    assert every_image_is_there_once(persona, sent)
