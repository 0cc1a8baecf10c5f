"""The worker's day: threads that send, one loop that polls, reads the lists and shows it lives."""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.db.models.functions import Now

from importers import audit, connection, facelists, intake
from importers.forwarding.poll import poll
from importers.forwarding.send import keep_leases, send_next
from importers.models import Batch, Worker
from importers.persona.errors import PersonaError

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.5
DATABASE_IS_AWAY = (OperationalError, InterfaceError)
AFTER_DATABASE_TROUBLE_SECONDS = 2
BEAT_SECONDS = 10
SWEEP_EVERY_SECONDS = 3600
FORGOTTEN_AFTER = timedelta(days=1)


def own_name() -> str:
    """New at each start: in a container that is restarted, host and process id come again."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def step(owner: str) -> bool:
    """One round by one thread: sends one batch, polls once; whether there was anything to do."""
    sent = send_next(owner)
    polled = poll()
    return sent or polled


def is_drained() -> bool:
    """Whether every batch of this environment has ended."""
    ours = Batch.objects.of_environment(connection.environment())
    return not ours.exclude(state__in=Batch.FINAL).exists()


def run(stop: threading.Event, threads: int, *, until: Callable[[], bool] = lambda: False) -> None:
    """Works until `stop` is set or `until` holds; then finishes the requests in hand.

    While `threads` requests are under way, one more batch is made ready. A thread that breaks
    stops the worker, so that whoever started it sees it and starts it anew.
    """
    owner = own_name()
    _patiently(stop, connection.try_at_once)
    finished = threading.Event()
    slot = partial(_slot, threading.Semaphore(threads), stop)
    send = partial(send_next, owner, slot)
    with ThreadPoolExecutor(threads + 3) as pool:
        senders = [pool.submit(_in_thread, stop, send) for _ in range(threads + 1)]
        others = [
            *senders,
            pool.submit(_in_thread, stop, lambda: _sweep(stop)),
            pool.submit(_in_thread, finished, lambda: _beat(owner, finished)),
        ]
        for other in others:
            other.add_done_callback(lambda _: stop.set())
        try:
            _repeat(stop, lambda: _watch(stop, until))
        finally:
            stop.set()
            wait(senders)  # under a lease that is kept until then
            finished.set()
    with suppress(*DATABASE_IS_AWAY):  # else it is forgotten in a while
        Worker.objects.filter(name=owner).delete()
    for other in others:
        other.result()


@contextmanager
def _slot(free: threading.Semaphore, stop: threading.Event) -> Iterator[bool]:
    """Waits for its turn; whether to go, which is not so once the worker is told to stop."""
    with free:
        yield not stop.is_set()


def _watch(stop: threading.Event, until: Callable[[], bool]) -> bool:
    polled = poll()
    if facelists.is_due():
        _read_lists()
    if until():
        stop.set()
    return polled


def _sweep(stop: threading.Event) -> bool:
    try:
        intake.sweep_all()
    except OSError as error:
        log.warning("not swept: %s", type(error).__name__)
    stop.wait(SWEEP_EVERY_SECONDS)
    return True


def _beat(owner: str, finished: threading.Event) -> bool:
    show_alive(owner)
    keep_leases(owner)
    finished.wait(BEAT_SECONDS)
    return True


def show_alive(owner: str) -> None:
    Worker.objects.update_or_create(name=owner, defaults={"seen_at": Now()})
    Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


def _read_lists() -> None:
    try:
        facelists.read_all(audit.WORKER)
    except (PersonaError, facelists.Busy) as error:
        log.info("lists not read: %s", error)
        facelists.postpone_reading()


def _in_thread(stop: threading.Event, work: Callable[[], bool]) -> None:
    try:
        _repeat(stop, work)
    finally:
        connections.close_all()


def _repeat(stop: threading.Event, work: Callable[[], bool]) -> None:
    """Works until told to stop."""
    while not stop.is_set():
        if not _patiently(stop, work):
            stop.wait(IDLE_SECONDS)


def _patiently[T](stop: threading.Event, work: Callable[[], T]) -> T | None:
    """Works once; a database that is away for a while only makes it wait."""
    was_away = False
    while not stop.is_set():
        try:
            done = work()
        except DATABASE_IS_AWAY as error:
            if not was_away:
                log.warning("the database is away: %s", type(error).__name__)
            was_away = True
            stop.wait(AFTER_DATABASE_TROUBLE_SECONDS)
        else:
            if was_away:
                log.info("the database is back")
            return done
        finally:
            close_old_connections()
    return None
