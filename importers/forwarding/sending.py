"""Sending: claim a batch, check its seal and its bytes, send it and record the outcome.

A batch that may have arrived, and whose key cannot be used again, is recovered instead. No
transaction is open while Persona is called.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER
from importers.consent.seal import SealBroken
from importers.forwarding import policy, recovery, sealed_files
from importers.forwarding.claims import Leases, claim
from importers.forwarding.completion import close_import
from importers.forwarding.policy import Before, Outcome, Step
from importers.gateway import client, environments, rate_limit
from importers.lists import holds
from importers.models import Batch
from importers.models.clock import from_now
from importers.persona import errors
from importers.persona.client import ImageFile
from importers.persona.responses import Importer

log = logging.getLogger(__name__)
State = Batch.State
FIRST_POLL = timedelta(seconds=2)
ACTIONS = {
    State.QUEUED: Action.BATCH_QUEUED,
    State.UNKNOWN: Action.BATCH_IN_DOUBT,
    State.FAILED: Action.BATCH_FAILED,
}
Slot = Callable[[], AbstractContextManager[bool]]


@contextmanager
def at_once() -> Iterator[bool]:
    yield True


def send_next(leases: Leases, slot: Slot = at_once) -> bool:
    """Send the batch that is due first, within our share. Return False if there was none.

    The batch is prepared before it waits for a `slot`, which yields False if it must not be sent.
    """
    environment = environments.current()
    batch = _reserve_and_claim(environment, leases.owner)
    if batch is None:
        return False
    with leases.holding(batch):
        outcome = recovery.recover(batch) if batch.recover_first else _send(batch, slot)
        _record(batch, outcome)
    if not outcome.requested:
        rate_limit.release(environment)
    return True


def _reserve_and_claim(environment: str, owner: str) -> Batch | None:
    """Do both in one transaction: a worker that dies in it uses up neither budget nor batch."""
    # Asked first without a lock, so that idle workers do not contend for the gateway's row.
    if not Batch.objects.of_environment(environment).due().exists():
        return None
    with transaction.atomic():
        if rate_limit.reserve(environment, to_send=True):
            return None
        batch = claim(owner)
        if batch is None:
            rate_limit.release(environment)
        return batch


def _send(batch: Batch, slot: Slot) -> Outcome:
    before = Before.of(batch)
    try:
        files = sealed_files.read(batch)
    except SealBroken as broken:
        return Outcome(step=policy.seal_is_broken(broken.reason, before), requested=False)
    except sealed_files.Unreadable as trouble:
        step = policy.unreadable(str(trouble), before, missing=trouble.missing)
        return Outcome(step=step, requested=False)
    with slot() as may_go:
        if not may_go:
            return Outcome(step=policy.returned(before), requested=False)
        if not batch.is_lease_held:  # preparing took too long: another worker may have it
            return Outcome(requested=False)
        return _import(batch, files, before)


def _import(batch: Batch, files: list[ImageFile], before: Before) -> Outcome:
    list_id = batch.face_import.face_list.persona_id
    try:
        key = str(batch.idempotency_key)
        return Outcome(importer=client.persona(batch).import_faces(list_id, files, key))
    except errors.PersonaError as error:
        step = policy.after(error, before)
        # Recovery searches up to the last moment at which a send can have arrived.
        return Outcome(step=step, values={} if step.never_arrived else {"tried_until": Now()})


def _record(batch: Batch, outcome: Outcome) -> None:
    if outcome.importer:
        _record_importer(batch, outcome.importer)
    elif outcome.step:
        _record_step(batch, outcome.step, outcome.values)


def _record_importer(batch: Batch, importer: Importer) -> None:
    log.info("batch %s: importer %s", batch.pk, importer.id, extra={"batch": batch.pk})
    values = Batch.NO_PROBLEM | {
        "importer_id": importer.id,
        "persona_status": importer.raw_status,
        "accepted_at": Now(),
        "next_attempt_at": from_now(FIRST_POLL),
        "may_have_arrived": True,
        "recover_first": False,
        "candidates": [],
    }
    try:
        with transaction.atomic():
            # An answer counts even after the lease was lost: the key shows that it is this batch's.
            if batch.finish_sending(State.IMPORTING, **values) or batch.accept_late(**values):
                trail.append(WORKER, Action.BATCH_ACCEPTED, batch, importer=importer.id)
                # The list accepted a batch, so the others need not wait.
                holds.release(batch.face_import.face_list_id)
    except IntegrityError:  # another batch has it (`importer_claimed_once`)
        step = policy.importer_is_claimed(importer.id)
        _record_step(batch, step, {"tried_until": Now()})


def _record_step(batch: Batch, step: Step, values: dict[str, object]) -> None:
    log.warning("batch %s: %s, %s", batch.pk, step.state, step.problem, extra={"batch": batch.pk})
    values = values | {
        "problem": step.problem,
        "problem_detail": step.sentence,
        "next_attempt_at": from_now(step.delay),
        "may_have_arrived": step.may_have_arrived,
        "recover_first": step.recover_first,
    }
    if not step.may_have_arrived:  # Persona has not stored the key: its life has not started
        values["first_sent_at"] = None
    if step.new_key:
        values |= Batch.NEW_KEY
    with transaction.atomic():
        if not batch.finish_sending(step.state, **values):
            return  # another worker holds the lease by now
        if step.holds_list:
            holds.hold(batch.face_import.face_list, step.sentence)
        trail.append(WORKER, ACTIONS[step.state], batch, problem=step.problem)
        if step.state == State.FAILED:
            close_import(batch.face_import)
