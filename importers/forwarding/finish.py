"""An import ends when its last batch has: completed, or in need of a person."""

from importers import audit
from importers.models import Batch, Import

State = Import.State


def close_import(of_import: Import) -> None:
    """Ends a forwarding import whose batches have all ended. Call it in the batch's transaction."""
    locked = Import.objects.select_for_update().get(pk=of_import.pk)
    batches = locked.batches
    if locked.state != State.FORWARDING or batches.exclude(state__in=Batch.FINAL).exists():
        return
    troubled = batches.filter(state__in=Batch.TROUBLED).exists()
    ended = State.NEEDS_ATTENTION if troubled else State.COMPLETED
    locked.move(ended, of=(State.FORWARDING,))
    audit.append(audit.WORKER, f"import.{ended}", locked)
