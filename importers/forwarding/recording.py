"""Recording: the outcome of a send or of a recovery, with its audit row in one transaction."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER
from importers.forwarding import policy
from importers.forwarding.completion import close_import, lock
from importers.forwarding.policy import FIRST_POLL, Step
from importers.lists import holds
from importers.models import Batch
from importers.models.clock import from_now
from importers.persona.responses import Importer

log = logging.getLogger(__name__)
State = Batch.State
ACTIONS = {
    State.QUEUED: Action.BATCH_QUEUED,
    State.UNKNOWN: Action.BATCH_IN_DOUBT,
    State.FAILED: Action.BATCH_FAILED,
}
# Moves a batch with these columns. Returns False if it is no longer this worker's to move.
Move = Callable[..., bool]


def importer_found(batch: Batch, importer: Importer, move: Move, **values: Any) -> None:
    """Record that Persona has the batch as this importer."""
    log.info("batch %s: importer %s", batch.pk, importer.id, extra={"batch": batch.pk})
    values = (
        Batch.NO_PROBLEM
        | {
            "importer_id": importer.id,
            "persona_status": importer.raw_status,
            "accepted_at": Now(),
            "next_attempt_at": from_now(FIRST_POLL),
            "may_have_arrived": True,
            "recover_first": False,
            "candidates": [],
        }
        | values
    )
    try:
        with transaction.atomic():
            lock([batch.pk])
            if move(State.IMPORTING, **values):
                # The list accepted a batch, so the others need not wait.
                holds.release(batch.face_import.face_list_id)
                trail.append(WORKER, Action.BATCH_ACCEPTED, batch, importer=importer.id)
    except IntegrityError:  # another batch has it (`importer_claimed_once`)
        step_taken(batch, policy.importer_is_claimed(importer.id), move)


def step_taken(batch: Batch, step: Step, move: Move, **values: Any) -> None:
    """Record the next step of a batch that has no importer yet."""
    log.warning("batch %s: %s, %s", batch.pk, step.state, step.problem, extra={"batch": batch.pk})
    values |= {
        "problem": step.problem,
        "problem_detail": step.sentence,
        "next_attempt_at": from_now(step.delay),
        "may_have_arrived": step.may_have_arrived,
        "recover_first": step.recover_first,
    }
    if step.new_key:
        values |= Batch.NEW_KEY
    with transaction.atomic():
        lock([batch.pk])
        if not move(step.state, **values):
            return
        if step.holds_list:
            holds.hold(batch.face_import.face_list, step.sentence)
        trail.append(WORKER, ACTIONS[step.state], batch, problem=step.problem)
        if step.state == State.FAILED:
            close_import(batch.face_import)
