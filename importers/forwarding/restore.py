"""After a database was restored from a backup: what it holds as unsent may have been sent since.

Its keys may be used up, or lost with what came after the backup. So every batch without an importer
is looked for at Persona before it could be sent again; and because the importer of an import that
the backup does not hold could look like its own, only a person says which one is.
"""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Least, Now

from importers import audit
from importers.forwarding import policy
from importers.models import Batch, Import

State = Batch.State


def doubt(backup_from: datetime) -> tuple[int, int]:
    """Doubts all that the backup knows as unsent; how many batches, and how many drafts there are.

    Call it before any worker starts. Drafts are left as they are.
    """
    with transaction.atomic():
        unsent = Batch.objects.filter(importer_id="").exclude(state=State.CANCELED)
        for batch in unsent.filter(idempotency_key=None):
            Batch.objects.filter(pk=batch.pk).update(idempotency_key=uuid.uuid4())
        count = unsent.update(
            may_have_arrived=True,
            look_first=True,
            first_sent_at=Least(Coalesce(F("first_sent_at"), backup_from), backup_from),
            tried_until=Now(),
            problem=policy.RESTORED,
            problem_detail="The database was restored: it may have been sent since the backup.",
            next_attempt_at=Now(),
            lease_until=None,
            lease_owner="",
        )
        unsent.exclude(state=State.FAILED).update(state=State.UNKNOWN)
        audit.append(audit.WORKER, "database.restored", backup_from=str(backup_from), batches=count)
    return count, Import.objects.filter(state=Import.State.DRAFT).count()
