"""A person's second try: failed batches go back to the queue, where a new key is safe."""

from django.db import transaction
from django.db.models.functions import Now

from importers import audit, facelists
from importers.audit import Actor
from importers.models import Batch, Import


def retry(of_import: Import, actor: Actor) -> int:
    """Queues the failed batches of the import again, and ends a hold of its list; how many.

    A batch that may have arrived is not among them: under a new key Persona could import it twice.
    """
    with transaction.atomic():
        count = of_import.batches.to_retry().update(
            state=Batch.State.QUEUED,
            idempotency_key=None,
            first_sent_at=None,
            attempts=0,
            next_attempt_at=Now(),
            problem="",
            problem_detail="",
        )
        facelists.release(of_import.face_list_id)
        if count:
            of_import.move(Import.State.FORWARDING, of=(Import.State.NEEDS_ATTENTION,))
        audit.append(actor, "import.retried", of_import, batches=count)
    return count
