"""Restore: batches that a restored database shows as unsent may have been sent since the backup.

Their keys may have been used, or may be missing from the backup. So every batch without an
importer is recovered before it is sent again. An importer of an import that is missing from the
backup could look like a match, so only a person confirms one.
"""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import OPERATOR
from importers.models import Attempt, Batch, Import, Problem

State = Batch.State


def doubt_unsent(backup_from: datetime) -> tuple[int, int]:
    """Put every batch without an importer in doubt. Return how many, and how many are not cut.

    Call it before any worker starts. Drafts, and what awaits approval, are not changed.
    """
    with transaction.atomic():
        unsent = Batch.objects.filter(importer_id="").exclude(state=State.CANCELED)
        # A batch in doubt must have a key (`key_is_stored_before_sending`).
        for batch in unsent.filter(idempotency_key=None):
            Batch.objects.filter(pk=batch.pk).update(idempotency_key=uuid.uuid4())
        in_flight = Attempt.objects.filter(batch__in=unsent, ended_at=None)
        in_flight.update(ended_at=Now(), settled_at=Now())
        _doubt_since(backup_from, unsent)
        count = unsent.update(
            may_have_arrived=True,
            problem=Problem.RESTORED,
            problem_detail="The database was restored. The batch may have been sent since.",
            lease_until=None,
            lease_owner="",
        )
        unsent.exclude(state=State.FAILED).recover()
        trail.append(
            OPERATOR, Action.DATABASE_RESTORED, backup_from=str(backup_from), batches=count
        )
    uncut = (Import.State.DRAFT, Import.State.AWAITING_APPROVAL)
    return count, Import.objects.filter(state__in=uncut).count()


def _doubt_since(backup_from: datetime, batches: QuerySet[Batch]) -> None:
    """Recovery then searches for each batch from the backup on."""
    interval = {"began_at": backup_from, "ended_at": Now(), "settled_at": Now()}
    Attempt.objects.bulk_create(
        Attempt(batch=batch, key=batch.key, **interval) for batch in batches
    )
