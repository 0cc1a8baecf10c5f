"""Sending: claim a batch, check its seal and its bytes, send it and record the outcome.

No transaction is open while Persona is called. Before a request leaves, its attempt and its audit
row are written: if the worker dies, they show that the batch may have arrived.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from django.db import transaction
from django.db.models.functions import Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER
from importers.consent import approval
from importers.consent.approval import NotApproved
from importers.consent.seal import SealBroken
from importers.forwarding import policy, recording, sealed_files
from importers.forwarding.claims import Leases, claim, is_any_due, key_lives
from importers.forwarding.policy import Before, Outcome
from importers.gateway import breaker, client, environments, rate_limit
from importers.models import Attempt, Batch, Exchange
from importers.models.clock import from_now
from importers.persona import errors
from importers.persona.client import Client, ImageFile
from importers.persona.deadline import now

State = Batch.State
Slot = Callable[[], AbstractContextManager[bool]]


@contextmanager
def at_once() -> Iterator[bool]:
    yield True


def send_next(leases: Leases, slot: Slot = at_once) -> bool:
    """Send the batch that is due first, within our share. Return False if there was none.

    The batch is prepared before it waits for a `slot`, which yields False if it must not be sent.
    """
    claimed = _reserve_and_claim(environments.current(), leases.owner)
    if claimed is None:
        return False
    exchange, batch = claimed
    with leases.holding(batch):
        outcome = _send(batch, exchange, slot)
        _record(batch, outcome)
    if outcome.attempt is None:
        rate_limit.release(exchange)
    return True


def _reserve_and_claim(environment: str, owner: str) -> tuple[Exchange, Batch] | None:
    """Do both in one transaction: a worker that dies in it uses up neither budget nor batch."""
    # Asked first without a lock, so that idle workers do not contend for the gateway's row.
    if not is_any_due(environment):
        return None
    with transaction.atomic():
        try:
            exchange = rate_limit.reserve(environment, to_send=True)
        except rate_limit.NoRequestLeft:
            return None
        batch = claim(owner, trial=breaker.is_trial(exchange))
        if batch is None:
            rate_limit.release(exchange)
            return None
        return exchange, batch


def _send(batch: Batch, exchange: Exchange, slot: Slot) -> Outcome:
    before = Before.of(batch)
    try:
        files = sealed_files.read(batch)
    except SealBroken as broken:
        return Outcome(step=policy.seal_is_broken(broken.reason, before))
    except sealed_files.Unreadable as trouble:
        step = policy.unreadable(str(trouble), before, missing=trouble.missing)
        return Outcome(step=step)
    with slot() as may_go:
        began = now()  # before the attempt: a worker that freezes afterwards must not send late
        try:
            attempt = _begin(batch, exchange) if may_go else None
        except NotApproved as lacking:
            return Outcome(step=policy.not_approved(lacking.sentence, before))
        if attempt is None:
            return Outcome()
        return _import(batch, attempt, client.reserved(exchange, batch, began=began), files, before)


def _begin(batch: Batch, exchange: Exchange) -> Attempt | None:
    """Write the attempt, or return None if the batch must not be sent now.

    Preparing it may have taken so long that another worker has it, or sending was stopped since.
    Raises NotApproved, also if the approver has lost the right since.
    """
    with transaction.atomic():
        if signed := batch.face_import.attestation:
            approval.check(signed)
        gateway = rate_limit.begin(exchange)
        if gateway is None or not key_lives(batch) or not batch.begin_sending():
            return None
        attempt = Attempt.objects.create(
            batch=batch,
            key=batch.key,
            clock_ahead_least=gateway.clock_ahead_least,
            clock_ahead_most=gateway.clock_ahead_most,
        )
        trail.append(WORKER, Action.BATCH_SENDING, batch, key=str(batch.key))
        return attempt


def _import(
    batch: Batch,
    attempt: Attempt,
    persona: Client,
    files: list[ImageFile],
    before: Before,
) -> Outcome:
    list_id = batch.face_import.face_list.persona_id
    try:
        importer = persona.import_faces(list_id, files, str(attempt.key))
    except errors.PersonaError as error:
        return Outcome(step=policy.after(error, before), attempt=attempt)
    return Outcome(importer=importer, attempt=attempt)


def _record(batch: Batch, outcome: Outcome) -> None:
    with transaction.atomic():
        if outcome.importer:
            # An answer counts even after the lease was lost: the key shows that it is this batch's.
            recording.importer_found(batch, outcome.importer, partial(_accept, batch))
        elif outcome.step:
            recording.step_taken(batch, outcome.step, batch.finish_sending)
        else:
            batch.give_back()
        if outcome.attempt:  # after the batch, whose lock comes first
            _end(outcome.attempt, outcome)


def _end(attempt: Attempt, outcome: Outcome) -> None:
    step = outcome.step
    Attempt.objects.filter(pk=attempt.pk).update(
        ended_at=Now(),
        settled_at=from_now(step.settles_in) if step else Now(),
        may_have_arrived=step is None or (step.may_have_arrived and not step.never_arrived),
        worker_died=False,  # it was only slow
    )


def _accept(batch: Batch, to: Batch.State, **values: object) -> bool:
    if batch.finish_sending(to, **values):
        return True
    if to != State.IMPORTING or not batch.accept_late(**values):
        return False
    batch.face_import.reopen()  # it may have waited for a person
    return True
