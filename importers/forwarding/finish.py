"""An import ends when its last batch has: completed, or in need of a person."""

from importers import audit
from importers.models import Batch, Import

State = Import.State


def close_import(of_import: Import) -> None:
    """Ends an import whose batches have all ended. Call it in the batch's transaction."""
    locked = Import.objects.select_for_update().get(pk=of_import.pk)
    batches = locked.batches
    if batches.exclude(state__in=Batch.FINAL).exists():
        return
    if batches.filter(state__in=Batch.TROUBLED).exists():
        ended = State.NEEDS_ATTENTION
    elif batches.exclude(state=Batch.State.CANCELED).exists():
        ended = State.COMPLETED
    else:
        ended = State.CANCELED
    if locked.move(ended, of=tuple({State.FORWARDING, State.NEEDS_ATTENTION} - {ended})):
        audit.append(audit.WORKER, f"import.{ended}", locked)
