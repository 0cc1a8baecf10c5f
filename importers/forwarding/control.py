"""Control: what a person may decide about sending."""

from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Coalesce, Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.forwarding.completion import close_import, lock
from importers.gateway import environments
from importers.lists import holds
from importers.models import Attempt, Batch, Gateway, Import

State = Batch.State


def pause(actor: Actor) -> None:
    """Stop all sending. Persona is still polled for what was sent."""
    environment = environments.current()
    with transaction.atomic():
        # Before the first request to Persona there is no row yet.
        Gateway.objects.get_or_create(environment=environment)
        running = Gateway.objects.filter(environment=environment, paused_at=None)
        if running.update(paused_at=Now(), paused_by=actor.name):
            trail.append(actor, Action.SENDING_PAUSED)


def resume(actor: Actor) -> None:
    with transaction.atomic():
        gateway = Gateway.objects.filter(environment=environments.current())
        if gateway.exclude(paused_at=None).update(paused_at=None, paused_by=""):
            trail.append(actor, Action.SENDING_RESUMED)


class Unsent(NamedTuple):
    """Batches and images that are not at Persona, and the imports that they belong to."""

    batches: int
    images: int
    imports: int


def unsent() -> Unsent:
    """Return what a pause stops now."""
    return _counted(Batch.objects.of_environment(environments.current()).unsent())


def cancelable(face_import: Import) -> Unsent:
    return _counted(face_import.batches.cancelable())


def cancel_unsent(face_import: Import, actor: Actor) -> int:
    """Cancel the batches that certainly are not at Persona, and return how many."""
    with transaction.atomic():
        lock(face_import.batches.values_list("pk", flat=True))
        count = face_import.batches.cancelable().cancel()
        if count:
            trail.append(actor, Action.IMPORT_CANCELED, face_import, batches=count)
            close_import(face_import)
    return count


def retry(face_import: Import, actor: Actor, number: int | None = None) -> int:
    """Queue failed batches again, or just one, and return how many. Also end the list's hold.

    A batch that may have arrived is recovered first; one that waits for a person's decision
    keeps waiting.
    """
    batches = face_import.batches.all()
    one = {} if number is None else {"number": number}
    with transaction.atomic():
        lock(batches.values_list("pk", flat=True))
        count = batches.filter(**one).recoverable().recover()
        failed = batches.filter(**one).retriable()
        Attempt.objects.filter(batch__in=failed).update(may_have_arrived=False)
        count += failed.requeue()
        released = holds.release(face_import.face_list_id)
        if count:
            face_import.reopen()
        if count or released:
            trail.append(actor, Action.IMPORT_RETRIED, face_import, batches=count, **one)
    return count


def acknowledge(batch: Batch, note: str, actor: Actor) -> bool:
    """Accept that Persona could not import a batch. Return False if there is nothing to accept.

    The note stays on the row: the trail, which cannot be erased, does not hold it.
    """
    with transaction.atomic():
        lock([batch.pk])
        rows = Batch.objects.filter(pk=batch.pk).troubled().exclude(state=State.FAILED)
        done = rows.update(acknowledged_at=Now(), acknowledged_by=actor.name, acknowledgement=note)
        if done:
            trail.append(actor, Action.BATCH_ACKNOWLEDGED, batch)
            close_import(batch.face_import)
    return bool(done)


def _counted(batches: QuerySet[Batch]) -> Unsent:
    counts = batches.aggregate(
        batches=Count("pk"),
        images=Coalesce(Sum("image_count"), 0),
        imports=Count("face_import", distinct=True),
    )
    return Unsent(**counts)
