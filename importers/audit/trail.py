"""The audit trail, and the only way to write to it.

Each row's hash is the SHA-256 of its own fields and of the hash before it, so a changed, removed
or inserted row breaks every hash after it. The head keeps the length and the last hash, so rows
cut off at the end are noticed too. Anyone who can rewrite the whole table and the head can forge
the chain; only a copy of the head kept elsewhere reveals that.
"""

import hashlib
import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import QuerySet

from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import AuditEvent, AuditHead

FIELDS = (
    *("pk", "at", "actor_id", "actor_name", "address", "action"),
    *("object_type", "object_id", "details", "previous_hash"),
)
SAME_ACT = timedelta(minutes=10)


def append(
    actor: Actor, action: Action, subject: models.Model | None = None, **details: Any
) -> None:
    """Write one row in the transaction of the act that it records.

    Call it last in that transaction: it holds the end of the chain until the commit. `details`
    must hold no personal data of subjects, since no row can ever be erased.
    """
    with transaction.atomic():
        head, _ = AuditHead.objects.select_for_update().get_or_create(pk=1)
        event = AuditEvent(
            pk=head.length + 1,
            at=datetime.now(UTC),
            actor=actor.user,
            actor_name=actor.name,
            address=actor.address,
            action=action,
            **_object(subject),
            details=details,
            previous_hash=head.hash,
        )
        event.hash = hash_of(event)
        event.save(force_insert=True)
        AuditHead.objects.filter(pk=1).update(length=event.pk, hash=event.hash)


def append_once(
    actor: Actor, action: Action, subject: models.Model | None = None, **details: Any
) -> None:
    """Write the row, as `append` does, unless the person did exactly the same lately."""
    with transaction.atomic():
        if details not in lately(actor, action, subject).values_list("details", flat=True):
            append(actor, action, subject, **details)


def lately(
    actor: Actor, action: Action, subject: models.Model | None = None
) -> QuerySet[AuditEvent]:
    """Return the rows of the last ten minutes that say that the person did this to the object.

    Those of yesterday are left out, so that each day (UTC) names everybody who read or saw
    something on it.
    """
    now = datetime.now(UTC)
    midnight = datetime.combine(now.date(), time.min, UTC)
    rows = AuditEvent.objects.filter(action=action, actor=actor.user, **_object(subject))
    return rows.filter(at__gte=max(now - SAME_ACT, midnight))


def head() -> AuditHead:
    """Return the end of the chain; of an empty one before the first row."""
    return AuditHead.objects.filter(pk=1).first() or AuditHead()


def hash_of(event: AuditEvent) -> str:
    """Return the SHA-256 that the row must have, in lower-case hexadecimal."""
    values = {field: getattr(event, field) for field in FIELDS}
    # The database may return the moment in another time zone than it was written in.
    values["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _object(subject: models.Model | None) -> dict[str, str]:
    if subject is None:
        return {"object_type": "", "object_id": ""}
    return {"object_type": subject._meta.model_name or "", "object_id": str(subject.pk)}
