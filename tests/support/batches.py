"""Helpers around one batch: its row, its requests to Persona, its lease, its importer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import connection as database
from django.db.models.functions import Now

from importers.forwarding.claims import claim
from importers.local_persona import LocalPersona, SeenRequest
from importers.models import Attempt, AuditEvent, Batch, Image, Import
from importers.persona.responses import Importer, Status

OWNER = "the test's worker"


class Meanwhile:
    """Runs `does` while Persona has a request in hand."""

    def __init__(self) -> None:
        self.does: Callable[[], object] = lambda: None

    def __call__(self, seconds: float) -> None:
        try:
            self.does()
        finally:
            database.close()


def the_only(of_import: Import) -> Batch:
    """Return the only batch of an import, as it is stored now."""
    return of_import.batches.get()


def sends(persona: LocalPersona) -> list[SeenRequest]:
    """Return the requests that sent a batch, in order."""
    return [seen for seen in persona.requests() if seen.method == "POST"]


def keys(persona: LocalPersona) -> list[str]:
    """Return the idempotency key of each send, in order."""
    return [seen.headers["idempotency-key"] for seen in sends(persona)]


def polls(persona: LocalPersona) -> list[str]:
    """Return the path of each request that read importers, in order."""
    paths = [seen.path for seen in persona.requests() if seen.method == "GET"]
    return [path.removeprefix("/api/v1") for path in paths]


def import_state(of_import: Import) -> str:
    """Return the state of an import as it is stored now."""
    return Import.objects.get(pk=of_import.pk).state


def worker_actions() -> list[str]:
    """Return the actions that the worker recorded in the audit trail, in order."""
    events = AuditEvent.objects.filter(actor_name="worker").order_by("pk")
    return list(events.values_list("action", flat=True))


def stored_path(image: Image) -> Path:
    """Return where the bytes of an image are stored."""
    return Path(default_storage.path(image.storage_key))


def lease_runs_out() -> None:
    """End the lease of every batch that is being sent."""
    sending = Batch.objects.filter(state=Batch.State.SENDING)
    sending.update(lease_until=Now() - timedelta(seconds=1))


def die_while_sending(of_import: Import) -> Batch:
    """Leave the only batch as a worker does that dies while it sends. Return the batch."""
    batch = claim("a dead worker")
    assert batch == the_only(of_import)
    assert batch.begin_sending()
    Attempt.objects.create(batch=batch, key=batch.key)
    lease_runs_out()
    return batch


def persona_importer(**values: object) -> Importer:
    """Return an importer as Persona's client returns it: pending, unless `values` say otherwise."""
    pending = Importer(
        id="mprt_1",
        status=Status.PENDING,
        raw_status="pending",
        created_at=None,
        completed_at=None,
        successful_count=0,
        duplicate_count=0,
        error_count=0,
    )
    return replace(pending, **values)  # type: ignore[arg-type]
