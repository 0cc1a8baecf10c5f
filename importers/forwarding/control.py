"""Control: what a person may decide about sending."""

from django.db import transaction
from django.db.models.functions import Now

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
