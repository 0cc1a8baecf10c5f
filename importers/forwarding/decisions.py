"""Decisions: which importer belongs to an ambiguous batch, as a person decides, and undoing it.

A decision takes effect after half a minute: until its importer is polled, or the batch is sent
again, it can be undone.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.forwarding import policy
from importers.forwarding.completion import close_import, lock
from importers.models import Batch, Import, Problem
from importers.models.clock import from_now

State = Batch.State
TAKES_EFFECT_AFTER = timedelta(seconds=30)


class NoSuchCandidate(Exception):
    """The batch no longer waits for this decision."""


class TooLate(Exception):
    """The decision has taken effect."""


def ambiguous(face_import: Import) -> QuerySet[Batch]:
    """Return the batches of an import that wait for a decision."""
    waiting = face_import.batches.filter(state=State.FAILED, problem=Problem.AMBIGUOUS)
    return waiting.order_by("number").prefetch_related("images", "sends")


def unclaimed(batches: Iterable[Batch]) -> dict[int, list[dict[str, object]]]:
    """Return the candidates of each batch, by its number, without those that a batch has."""
    candidates = {batch.number: batch.candidates for batch in batches}
    ids = {row["id"] for rows in candidates.values() for row in rows}
    claimed = Batch.objects.filter(importer_id__in=ids).values_list("importer_id", flat=True)
    taken = set(claimed)
    return {
        number: [row for row in rows if row["id"] not in taken]
        for number, rows in candidates.items()
    }


def decide(face_import: Import, choices: Mapping[int, str], actor: Actor) -> None:
    """Record an importer for each batch, by its number, or "" to send the batch again.

    Raises NoSuchCandidate, and then nothing has changed.
    """
    batches = {batch.number: batch for batch in ambiguous(face_import)}
    try:
        with transaction.atomic():
            lock(batch.pk for batch in batches.values())
            for number, importer_id in choices.items():
                if number not in batches:
                    raise NoSuchCandidate
                _decide(batches[number], importer_id, actor)
            face_import.reopen()
    except IntegrityError as claimed:  # by another batch (`importer_claimed_once`)
        raise NoSuchCandidate from claimed


def _decide(batch: Batch, importer_id: str, actor: Actor) -> None:
    if importer_id and importer_id not in [row["id"] for row in batch.candidates]:
        raise NoSuchCandidate
    values = {"state": State.IMPORTING, "importer_id": importer_id, "accepted_at": Now()}
    if not importer_id:
        values = {"state": State.QUEUED, **Batch.NEW_KEY, "candidates": batch.candidates}
    values |= {
        **Batch.NO_PROBLEM,
        "decided_at": Now(),
        "next_attempt_at": from_now(TAKES_EFFECT_AFTER),
    }
    if not batch.decide(**values):
        raise NoSuchCandidate
    trail.append(actor, Action.BATCH_DECIDED, batch, importer=importer_id)


def undo(batch: Batch, actor: Actor) -> None:
    """Take a decision back. Raises TooLate."""
    step = policy.ambiguous(policy.Before(), all_read=True)
    with transaction.atomic():
        lock([batch.pk])
        undone = (
            Batch.objects.filter(pk=batch.pk)
            .undoable()
            .update(
                state=step.state,
                problem=step.problem,
                problem_detail=step.sentence,
                may_have_arrived=True,
                # The key that it was sent under, which only a decision to send it again removes.
                idempotency_key=batch.idempotency_key
                or batch.sends.values_list("key", flat=True).last(),
                importer_id="",
                accepted_at=None,
                decided_at=None,
            )
        )
        if not undone:
            raise TooLate
        trail.append(actor, Action.BATCH_UNDECIDED, batch)
        close_import(batch.face_import)
