"""A person's second try: failed batches go back to the queue, where a new key is safe."""

from django.db import transaction
from django.db.models.functions import Now

from importers import audit, facelists
from importers.audit import Actor
from importers.models import Batch, Import


def retry(of_import: Import, actor: Actor, number: int | None = None) -> int:
    """Queues failed batches of the import again, or just one, and ends its list's hold; how many.

    A batch that may have arrived is looked for at Persona first; one that waits for a person's
    decision goes on waiting.
    """
    batches = of_import.batches.all() if number is None else of_import.batches.filter(number=number)
    with transaction.atomic():
        looked_for = batches.to_look_for().update(
            state=Batch.State.UNKNOWN, look_first=True, next_attempt_at=Now()
        )
        count = batches.to_retry().update(
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
            one = {} if number is None else {"number": number}
            audit.append(actor, "import.retried", of_import, batches=count, **one)
    return count
