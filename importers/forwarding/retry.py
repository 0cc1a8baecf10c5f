"""A person's second try: failed batches go back to the queue, where a new key is safe."""

from django.db import transaction
from django.db.models.functions import Now

from importers import audit, facelists
from importers.audit import Actor
from importers.models import Batch, Import


def retry(of_import: Import, actor: Actor) -> int:
    """Queues the failed batches of the import again, and ends a hold of its list; how many.

    A batch that may have arrived is looked for at Persona first; one that waits for a person's
    decision goes on waiting.
    """
    with transaction.atomic():
        looked_for = of_import.batches.to_look_for().update(
            state=Batch.State.UNKNOWN, look_first=True, next_attempt_at=Now()
        )
        count = of_import.batches.to_retry().update(
            state=Batch.State.QUEUED,
            idempotency_key=None,
            first_sent_at=None,
            attempts=0,
            next_attempt_at=Now(),
            problem="",
            problem_detail="",
        )
        count += looked_for
        released = facelists.release(of_import.face_list_id)
        if count:
            of_import.move(Import.State.FORWARDING, of=(Import.State.NEEDS_ATTENTION,))
        if count or released:
            audit.append(actor, "import.retried", of_import, batches=count)
    return count
