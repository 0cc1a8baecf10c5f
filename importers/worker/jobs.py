"""Jobs: the work of a worker, some of it on a schedule."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from importers.audit.actors import WORKER
from importers.forwarding.claims import Leases
from importers.forwarding.polling import poll
from importers.forwarding.recovery import recover
from importers.forwarding.sending import send_next
from importers.gateway import environments
from importers.lists import catalog
from importers.models import Batch, Worker
from importers.models.batch_queries import BatchQuerySet
from importers.vault import sweeping

log = logging.getLogger(__name__)
SWEEP_EVERY_SECONDS = 3600
FORGOTTEN_AFTER = timedelta(days=1)


def step(leases: Leases) -> bool:
    """Send one batch, poll once and recover. Return False if there was nothing to do."""
    return any([send_next(leases), follow()])


def follow() -> bool:
    """Poll once and recover. Return False if there was nothing to do."""
    batches = Batch.objects.of_environment(environments.current())
    # One query if there is nothing to do, because an idle worker asks all the time.
    return batches.to_ask_about().exists() and any([poll(), recover()])


def is_drained() -> bool:
    """Return True if every batch of the current environment has ended."""
    return not _unended().exists()


def sign_off(owner: str) -> None:
    """Remove a worker that ends, and log what it leaves, so that an early end is noticed."""
    Worker.objects.filter(name=owner).delete()
    if left := _unended().count():
        log.warning("the worker ends with %s batches unfinished", left)
    else:
        log.info("the worker ends: every batch has finished")


def watch(stop: threading.Event, until: Callable[[], bool]) -> bool:
    """Poll, recover, sync the lists when that is due, and set `stop` once `until` holds."""
    worked = follow()
    if catalog.sync_is_due():
        sync_lists()
    if until():
        stop.set()
    return worked


def sync_lists() -> None:
    try:
        catalog.sync(WORKER)
    except catalog.Unavailable as unavailable:
        log.info("lists not synced: %s", unavailable)
        catalog.postpone_sync()


def sweep(stop: threading.Event) -> bool:
    """Remove expired sessions and stored bytes that no row names, then wait for the next sweep."""
    SessionStore.clear_expired()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    try:
        sweeping.sweep_recent()
    except OSError as error:
        log.warning("leftover files could not be swept: %s", type(error).__name__)
    stop.wait(SWEEP_EVERY_SECONDS)
    return True


def report_alive(owner: str) -> None:
    Worker.objects.update_or_create(name=owner, defaults={"seen_at": Now()})
    Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


def _unended() -> BatchQuerySet:
    return Batch.objects.of_environment(environments.current()).unended()
