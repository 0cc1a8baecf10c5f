"""Polling: Persona's importers to our counts. There is no webhook (docs: /webhooks).

One request answers for a hundred importers, the newest first; the next page is asked for while
that costs less than asking for what is still missing one by one. The counts are written as Persona
gives them, and are never assumed to add up.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from importers import audit, connection, pacing
from importers.forwarding.finish import close_import
from importers.models import Batch
from importers.persona import errors
from importers.persona.answers import Importer, Status

State = Batch.State
SOONEST, LATEST = timedelta(seconds=2), timedelta(seconds=60)
ENDS = {Status.READY: State.DONE, Status.ERRORED: State.ERRORED}


def poll() -> bool:
    """Asks Persona for every batch that is due, if it is time and our share allows; whether so."""
    where = connection.environment()
    due = Batch.objects.of_environment(where).to_poll()
    missing = dict.fromkeys(due.values_list("importer_id", flat=True))  # in order, as a set
    if not missing or not pacing.take_turn(where, _space(where)) or pacing.take(where):
        return False
    persona = connection.persona()
    after: str | None = ""
    try:
        while after is not None:
            page = persona.importers_page(after)
            answered = _observe_all(page.faces, missing)
            is_worth_it = answered > 1 and len(missing) > 1
            after = page.next if is_worth_it and not pacing.take(where) else None
    except errors.PersonaError:
        _ask_again_later(missing)
        return True
    for importer_id in missing:
        _ask_for_one(importer_id)
    return True


def _space(environment: str) -> timedelta:
    """While batches wait to be sent, following the others takes its part alone."""
    if not Batch.objects.of_environment(environment).to_send().exists():
        return SOONEST
    return max(SOONEST, pacing.space_of_polls(environment))


def _observe_all(faces: list[Importer], missing: dict[str, None]) -> int:
    """Writes what a page tells, of those not due yet too; how many of the missing it told of."""
    seen = {importer.id: importer for importer in faces}
    pending = Batch.objects.filter(state=State.IMPORTING, importer_id__in=seen)
    for batch in pending.select_related("face_import"):
        observe(batch, seen[batch.importer_id])
    answered = missing.keys() & seen
    for importer_id in answered:
        del missing[importer_id]
    return len(answered)


def observe(batch: Batch, importer: Importer) -> None:
    """Writes what Persona says of a batch's importer now, and ends the batch when it has ended."""
    told = {"persona_status": importer.raw_status, **_counts(importer)}
    values: dict[str, object] = {**told, "problem": "", "problem_detail": ""}
    ended = ENDS.get(importer.status)
    if ended is None:
        values["next_attempt_at"] = pacing.after(_pause_before_next(batch))
        batch.move(State.IMPORTING, of=(State.IMPORTING,), **values)
        return
    with transaction.atomic():
        if not batch.move(ended, of=(State.IMPORTING,), finished_at=Now(), **values):
            return
        audit.append(audit.WORKER, f"batch.{ended}", batch, importer=importer.id, **told)
        close_import(batch.face_import)


def _counts(importer: Importer) -> dict[str, int | None]:
    return {
        "successful_count": importer.successful_count,
        "duplicate_count": importer.duplicate_count,
        "error_count": importer.error_count,
    }


def _ask_for_one(importer_id: str) -> None:
    batch = Batch.objects.select_related("face_import").get(importer_id=importer_id)
    if batch.state != State.IMPORTING:
        return
    if pacing.take(connection.environment()):
        return
    try:
        observe(batch, connection.persona(batch).importer(importer_id))
    except errors.NotFound as gone:
        batch.move(
            State.IMPORTING,
            of=(State.IMPORTING,),
            next_attempt_at=pacing.after(LATEST),
            problem="importer_gone",
            problem_detail=f"Persona does not know this importer any more: {gone.words}",
        )
    except errors.PersonaError:
        _ask_again_later([importer_id])


def _ask_again_later(importer_ids: Iterable[str]) -> None:
    rows = Batch.objects.filter(state=State.IMPORTING, importer_id__in=importer_ids)
    rows.update(next_attempt_at=pacing.after(timedelta(seconds=10)))


def _pause_before_next(batch: Batch) -> timedelta:
    """A tenth of its age at Persona, within our bounds: an old importer is asked for seldom."""
    age = datetime.now(UTC) - (batch.accepted_at or datetime.now(UTC))
    return min(max(age / 10, SOONEST), LATEST)
