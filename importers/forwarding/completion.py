"""Completion: an import ends with its last batch: completed, canceled or action required."""

from collections.abc import Iterable

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER
from importers.models import Batch, Import

State = Import.State
ACTIONS = {
    State.COMPLETED: Action.IMPORT_COMPLETED,
    State.NEEDS_ATTENTION: Action.IMPORT_NEEDS_ATTENTION,
    State.CANCELED: Action.IMPORT_CANCELED,
}


def lock(batch_ids: Iterable[int]) -> None:
    """Lock batches and their imports, always in this order, so that no two workers deadlock.

    Call it before the first audit row, whose lock must be the last.
    """
    batches = Batch.objects.select_for_update().filter(pk__in=list(batch_ids)).order_by("pk")
    import_ids = {batch.face_import_id for batch in batches}
    list(Import.objects.select_for_update().filter(pk__in=import_ids).order_by("pk"))


def close_import(face_import: Import) -> None:
    """End an import whose batches have all ended. Call it in the batch's transaction."""
    # Without the lock, two last batches that end at once would each see the other as unended.
    locked = Import.objects.select_for_update().get(pk=face_import.pk)
    if locked.batches.unended().exists():
        return
    ended = _end_of(locked)
    if locked.state != ended:
        locked.move(ended, of=(State.FORWARDING, State.NEEDS_ATTENTION))
        trail.append(WORKER, ACTIONS[ended], locked)


def _end_of(face_import: Import) -> Import.State:
    if face_import.batches.troubled().exists():
        return State.NEEDS_ATTENTION
    if face_import.batches.exclude(state=Batch.State.CANCELED).exists():
        return State.COMPLETED
    return State.CANCELED
