"""What a person may say to forwarding: pause, resume, and cancel what is not sent yet."""

from django.db import transaction
from django.db.models.functions import Now

from importers import audit, connection
from importers.audit import Actor
from importers.forwarding.finish import close_import
from importers.models import Batch, Import, PersonaLine

State = Batch.State


def pause(actor: Actor) -> None:
    """Sends nothing more; what is at Persona is polled all the same."""
    with transaction.atomic():
        PersonaLine.objects.get_or_create(environment=connection.environment())
        running = PersonaLine.objects.filter(environment=connection.environment(), halted_at=None)
        if running.update(halted_at=Now(), halted_by=actor.name):
            audit.append(actor, "forwarding.paused")


def resume(actor: Actor) -> None:
    with transaction.atomic():
        line = PersonaLine.objects.filter(environment=connection.environment())
        if line.exclude(halted_at=None).update(halted_at=None, halted_by=""):
            audit.append(actor, "forwarding.resumed")


def cancel_unsent(of_import: Import, actor: Actor) -> int:
    """Cancels the batches that surely are not at Persona; how many. The others are sent already."""
    with transaction.atomic():
        unsent = of_import.batches.to_cancel()
        count = unsent.update(state=State.CANCELED, finished_at=Now())
        if count:
            audit.append(actor, "import.canceled", of_import, batches=count)
            close_import(of_import)
    return count
