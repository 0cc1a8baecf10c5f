"""Recovery step by step, and which importers at Persona belong to an import."""

from collections.abc import Callable
from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from importers.forwarding import recovery
from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import Attempt, Batch, Gateway, Import
from importers.worker import jobs
from tests.support.batches import OWNER, the_only
from tests.support.forwarding import time_passes

ImportByOthers = Callable[..., list[str]]


def recover(times: int = 1) -> None:
    """Send the next batch that is due, or recover, then end every wait; `times` times."""
    for _ in range(times):
        assert send_next(Leases(OWNER)) or recovery.recover()
        time_passes()


def forward_for_hours(rounds: int = 40) -> None:
    """Forward batches in the order in which they are due, until no work is left.

    Unlike `forward`, a batch that was just tried comes last.
    """
    for _ in range(rounds):
        Batch.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(hours=1))
        Attempt.objects.filter(settled_at__gt=Now()).update(settled_at=Now())
        Gateway.objects.update(retry_at=None)
        if not jobs.step(Leases(OWNER)):
            return


def importer_requests(persona: LocalPersona) -> int:
    """Return how many requests read importers."""
    return sum(seen.method == "GET" for seen in persona.requests())


def own_importers(persona: LocalPersona, sent: Import) -> list[str]:
    """Return the importers that hold the images of this import.

    Each of them must hold every image once.
    """
    hashes = sorted(sent.files.values_list("sha256", flat=True))
    found = []
    for entry in persona.ledger():
        held = sorted(file.sha256 for file in entry.files)
        if set(held) & set(hashes):
            assert held == hashes
            found.append(entry.importer_id)
    return found


def is_imported_once(persona: LocalPersona, sent: Import) -> bool:
    """Return True if the only batch is done and Persona has one importer for it."""
    batch = the_only(sent)
    return batch.state == Batch.State.DONE and own_importers(persona, sent) == [batch.importer_id]
