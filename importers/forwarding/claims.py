"""Claims: a worker leases a batch for as long as it works on it.

The claim and the key that the batch is sent under are committed before anything is sent. If the
worker dies, the row stays `sending`; once its lease has expired, another worker sends the same
bytes under the same key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from importers.forwarding import policy, recording
from importers.gateway import breaker, environments
from importers.models import Batch
from importers.models.batch_queries import BatchQuerySet
from importers.models.clock import from_now

State = Batch.State


def lease_time() -> timedelta:
    return timedelta(seconds=settings.BATCH_LEASE_SECONDS)


class Leases:
    """The leases of one worker process, named `owner`."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._in_hand: set[int] = set()

    @contextmanager
    def holding(self, batch: Batch) -> Iterator[None]:
        """Keep the batch's lease alive inside the block."""
        self._in_hand.add(batch.pk)
        try:
            yield
        finally:
            self._in_hand.discard(batch.pk)

    def renew(self) -> None:
        """Renew the leases of the batches in hand. Call it well before a lease expires.

        A batch dropped in a database outage is not renewed, so another worker can claim it.
        """
        mine = Batch.objects.filter(state=State.SENDING, lease_owner=self.owner)
        mine = mine.filter(lease_until__gt=Now())  # a host that wakes up has lost its leases
        mine.filter(pk__in=list(self._in_hand)).update(lease_until=from_now(lease_time()))


def is_any_due(environment: str) -> bool:
    """Return True if a batch could be sent. Idle workers ask all the time, so in one query."""
    due = Batch.objects.of_environment(environment).due()
    if not due.exists():
        return False
    to_send = due.not_held()
    return to_send is due or to_send.exists()


def claim(owner: str, *, trial: bool = False) -> Batch | None:
    """Lease the batch that is due first. Return None if there is none to claim.

    While sending is stopped, only a `trial` goes: a batch in doubt, or a new one if none is.
    """
    with transaction.atomic():
        environment = environments.current()
        due = _in_order(environment).all().not_held()  # a copy, even if no list is held
        if trial and Batch.objects.of_environment(environment).in_doubt().exists():
            due = due.filter(may_have_arrived=True)
        # SQLite has no row locks and needs none: this transaction holds its only write lock.
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        batch = due.first()
        if batch is None:
            return None
        if batch.state == State.SENDING:
            # A worker that died while sending may have reached Persona until now.
            batch.sends.filter(ended_at=None).update(
                ended_at=Now(), settled_at=from_now(policy.LOST), worker_died=True
            )
        if not key_lives(batch):
            batch.send_to_recovery()
            return None
        if batch.state == State.SENDING and workers_keep_dying(batch):
            recording.step_taken(batch, policy.workers_died(), batch.finish_sending)
            return None
        if not batch.lend(owner, from_now(lease_time())):
            return None
        return Batch.objects.get(pk=batch.pk)


@cache
def _in_order(environment: str) -> BatchQuerySet:
    """Return the batches that are due: first those in doubt, then those of another size.

    If the answers to batches under way at the same time are lost, Persona's counts can tell whose
    importer is whose only if their sizes differ.

    Built once, because building this query takes longer than asking it. It reads only the columns
    that a claim needs, because the database sorts all that it reads.
    """
    batches = Batch.objects.of_environment(environment)
    sizes = batches.filter(state__in=Batch.UNDER_WAY).values("image_count")
    due = batches.due().annotate(size_is_taken=Q(image_count__in=sizes))
    due = due.order_by("-may_have_arrived", "size_is_taken", "next_attempt_at", "pk")
    return due.only("state", "fence", "may_have_arrived", "idempotency_key")


def workers_keep_dying(batch: Batch) -> bool:
    """Return True if the worker died in each of the latest sends under the batch's key."""
    latest = batch.sends.filter(key=batch.key).order_by("-pk")
    died = latest.values_list("worker_died", flat=True)[: policy.MOST_DEATHS]
    return list(died) == [True] * policy.MOST_DEATHS


def key_lives(batch: Batch) -> bool:
    """Return False if Persona may have forgotten the key of a batch that may have arrived."""
    if not batch.may_have_arrived:
        return True
    # A send that starts within the key's life must also arrive within it.
    life = timedelta(hours=settings.PERSONA_KEY_LIFE_HOURS) - breaker.longest_request()
    return not batch.sends_in_doubt.filter(began_at__lt=Now() - life).exists()
