"""Polling: from Persona's importers to our counts. There is no webhook (docs: /webhooks).

One request returns up to a hundred importers, newest first. The next page is read as long as that
costs fewer requests than asking for the missing importers one by one. The counts are written as
Persona reports them and are never assumed to add up.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER
from importers.forwarding.claims import is_any_due
from importers.forwarding.completion import close_import, lock
from importers.gateway import client, environments, rate_limit
from importers.models import Batch, Problem
from importers.models.clock import from_now
from importers.persona import errors
from importers.persona.responses import Importer, Status

State = Batch.State
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(seconds=60)
AFTER_TROUBLE = timedelta(seconds=10)
ENDS = {
    Status.READY: (State.DONE, Action.BATCH_DONE),
    Status.ERRORED: (State.ERRORED, Action.BATCH_ERRORED),
}


def poll() -> bool:
    """Ask Persona for every batch that is due, within our share. Return False if none was."""
    environment = environments.current()
    due = Batch.objects.of_environment(environment).to_poll().order_by("pk")
    missing = dict.fromkeys(due.values_list("importer_id", flat=True))  # an ordered set
    if not missing or not rate_limit.reserve_poll(environment, _spacing(environment)):
        return False
    try:
        _poll_pages(missing)
        # Asked for one by one, because reading on would cost more requests.
        for importer_id in missing:
            _poll_one(importer_id)
    except rate_limit.NoRequestLeft:
        return False
    except errors.PersonaError:
        _poll_later(missing)
    return True


def _poll_pages(missing: dict[str, None]) -> None:
    """Remove from `missing` what the newest pages report. Raises NoRequestLeft, PersonaError."""
    after: str | None = ""
    while after is not None:
        page = client.persona().importers_page(after)
        answered = _observe_all(page.faces, missing)
        is_worth_it = answered > 1 and len(missing) > 1
        after = page.next if is_worth_it else None


def _spacing(environment: str) -> timedelta:
    """Return the time between polls. While batches wait to be sent, polls use only their part."""
    if not is_any_due(environment):
        return SHORTEST_WAIT
    return max(SHORTEST_WAIT, rate_limit.poll_spacing(environment))


def _observe_all(faces: list[Importer], missing: dict[str, None]) -> int:
    """Write what a page reports, even of batches not due yet. Return how many were missing."""
    seen = {importer.id: importer for importer in faces}
    pending = Batch.objects.filter(state=State.IMPORTING, importer_id__in=seen)
    pending = pending.exclude(decided_at__isnull=False, next_attempt_at__gt=Now())
    for batch in pending.select_related("face_import"):
        observe(batch, seen[batch.importer_id])
    answered = missing.keys() & seen
    for importer_id in answered:
        del missing[importer_id]
    return len(answered)


def observe(batch: Batch, importer: Importer) -> None:
    """Write what Persona reports of a batch's importer. End the batch if the importer has ended."""
    reported = {
        "persona_status": importer.raw_status,
        "successful_count": importer.successful_count,
        "duplicate_count": importer.duplicate_count,
        "error_count": importer.error_count,
    }
    values = Batch.NO_PROBLEM | reported
    if importer.status not in ENDS:
        batch.observe(next_attempt_at=from_now(_wait_before_next(batch)), **values)
        return
    ended, action = ENDS[importer.status]
    with transaction.atomic():
        lock([batch.pk])
        if batch.observe(state=ended, finished_at=Now(), **values):
            trail.append(WORKER, action, batch, importer=importer.id, **reported)
            close_import(batch.face_import)


def _poll_one(importer_id: str) -> None:
    """Ask for one importer. Raises NoRequestLeft."""
    batch = Batch.objects.select_related("face_import").get(importer_id=importer_id)
    if batch.state != State.IMPORTING:
        return
    try:
        observe(batch, client.persona(batch).importer(importer_id))
    except errors.NotFound as gone:
        batch.observe(
            next_attempt_at=from_now(LONGEST_WAIT),
            problem=Problem.IMPORTER_GONE,
            problem_detail=f"Persona no longer finds this importer: {gone.words}",
        )
    except errors.PersonaError:
        _poll_later([importer_id])


def _poll_later(importer_ids: Iterable[str]) -> None:
    rows = Batch.objects.filter(state=State.IMPORTING, importer_id__in=importer_ids)
    rows.update(next_attempt_at=from_now(AFTER_TROUBLE))


def _wait_before_next(batch: Batch) -> timedelta:
    """A tenth of its age at Persona, within our bounds: an old importer is polled less often."""
    age = datetime.now(UTC) - (batch.accepted_at or datetime.now(UTC))
    return min(max(age / 10, SHORTEST_WAIT), LONGEST_WAIT)
