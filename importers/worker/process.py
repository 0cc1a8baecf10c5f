"""The worker process: threads that send, one loop that polls, and a heartbeat.

A thread that fails stops the process, so that its supervisor notices and restarts it.
"""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial

from django.db import InterfaceError, OperationalError, close_old_connections, connections

from importers.forwarding.claims import Leases, lease_time
from importers.forwarding.sending import send_next
from importers.gateway import breaker
from importers.worker import jobs

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.5
DATABASE_IS_AWAY = (OperationalError, InterfaceError)
AFTER_DATABASE_TROUBLE_SECONDS = 2
BEAT_SECONDS = 10


def own_name() -> str:
    """Return a new name: a container restarts with the same host name and process ID."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def run(stop: threading.Event, threads: int, *, until: Callable[[], bool] = lambda: False) -> None:
    """Work until `stop` is set or `until` holds; then finish the requests in hand.

    While `threads` requests are being made, one more batch is prepared.
    """
    leases = Leases(own_name())
    _patiently(stop, breaker.try_now)
    finished = threading.Event()  # stops the heartbeat, which must outlast the senders
    slot = partial(_slot, threading.Semaphore(threads), stop)
    # One sender more than `threads`, the sweeper and the heartbeat.
    with ThreadPoolExecutor(threads + 3) as pool:
        senders = [
            pool.submit(_in_thread, stop, partial(send_next, leases, slot))
            for _ in range(threads + 1)
        ]
        sweeper = pool.submit(_in_thread, stop, partial(jobs.sweep, stop))
        heart = pool.submit(_in_thread, finished, partial(_beat, leases, finished))
        others = [*senders, sweeper, heart]
        for other in others:
            other.add_done_callback(partial(_stop_if_broken, stop))
        try:
            _repeat(stop, lambda: jobs.watch(stop, until))
        finally:
            stop.set()
            wait(senders)  # the heartbeat renews their leases until then
            finished.set()
    with suppress(*DATABASE_IS_AWAY):  # then another worker deletes the row after a day
        jobs.sign_off(leases.owner)
    for other in others:
        other.result()  # raises the error of a thread that failed


def _stop_if_broken(stop: threading.Event, thread: Future[None]) -> None:
    if error := thread.exception():
        log.error("a thread failed, so the worker is stopping: %s", type(error).__name__)
    stop.set()


@contextmanager
def _slot(free: threading.Semaphore, stop: threading.Event) -> Iterator[bool]:
    """Wait for a turn. Yields False once the worker is stopping, and then nothing more is sent."""
    with free:
        yield not stop.is_set()


def _beat(leases: Leases, finished: threading.Event) -> bool:
    jobs.report_alive(leases.owner)
    leases.renew()
    # At least four beats per lease: one slow update does not lose it.
    finished.wait(min(BEAT_SECONDS, lease_time().total_seconds() / 4))
    return True


def _in_thread(stop: threading.Event, work: Callable[[], bool]) -> None:
    try:
        _repeat(stop, work)
    finally:
        connections.close_all()  # they belong to this thread, and nothing else closes them


def _repeat(stop: threading.Event, work: Callable[[], bool]) -> None:
    while not stop.is_set():
        if not _patiently(stop, work):
            stop.wait(IDLE_SECONDS)


def _patiently[T](stop: threading.Event, work: Callable[[], T]) -> T | None:
    """Work once. If the database is unavailable, wait for it and try again."""
    was_away = False
    while not stop.is_set():
        try:
            done = work()
        except DATABASE_IS_AWAY as error:
            if not was_away:
                log.warning("the database is unavailable: %s", type(error).__name__)
            was_away = True
            stop.wait(AFTER_DATABASE_TROUBLE_SECONDS)
        else:
            if was_away:
                log.info("the database is available again")
            return done
        finally:
            close_old_connections()  # the next attempt must not reuse a broken connection
    return None
