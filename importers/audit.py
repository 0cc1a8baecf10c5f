"""The audit trail: one way to write it, one way to check it.

Each row's hash is the SHA-256 of its own fields and of the hash before it, so a changed, removed
or inserted row breaks every hash after it. The head keeps the length and the last hash, so rows
cut off at the end are missed too. Whoever can rewrite the whole table and the head can forge the
chain; only a head kept elsewhere shows that.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from django.contrib.auth.models import User
from django.db import models, transaction

from importers.models import AuditEvent, AuditHead

FIELDS = (
    *("pk", "at", "actor_id", "actor_name", "address", "action"),
    *("object_type", "object_id", "details", "previous_hash"),
)


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where: a person at an address, or the worker."""

    name: str
    user: User | None = None
    address: str = ""
    sign_in_method: str = ""

    @classmethod
    def of_user(cls, user: Any, *, address: str, sign_in_method: str) -> Self:
        return cls(user.get_username(), user, address, sign_in_method)

    @property
    def person(self) -> User:
        if self.user is None:
            raise ValueError("Only a person can do this.")
        return self.user


WORKER = Actor("worker")


def append(actor: Actor, action: str, subject: models.Model | None = None, **details: Any) -> None:
    """Writes one row, in the transaction of the act that it tells of.

    Call it last in that transaction: it holds the chain's end until the commit.
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
            object_type=subject._meta.model_name or "" if subject else "",
            object_id=str(subject.pk) if subject else "",
            details=details,
            previous_hash=head.hash,
        )
        event.hash = _hash(event)
        event.save(force_insert=True)
        AuditHead.objects.filter(pk=1).update(length=event.pk, hash=event.hash)


def breaks() -> Iterator[str]:
    """Checks the whole chain, which may grow meanwhile; a sentence for each break in it."""
    previous, length = "0" * 64, 0
    head = _head()
    fits = (head.length, head.hash) == (length, previous)
    for event in AuditEvent.objects.order_by("pk").iterator():
        length += 1
        if event.pk != length:
            yield f"Row {length} is missing: the next one is row {event.pk}."
            length = event.pk
        if event.previous_hash != previous:
            yield f"Row {event.pk} does not follow the row before it."
        if event.hash != _hash(event):
            yield f"Row {event.pk} ({event.action}) was changed after it was written."
        previous = event.hash
        if event.pk == head.length:
            fits = event.hash == head.hash
    if not fits or _head().length < length:
        yield f"The chain, which ends at row {length}, does not fit its head (row {head.length})."


def _head() -> AuditHead:
    return AuditHead.objects.filter(pk=1).first() or AuditHead()


def _hash(event: AuditEvent) -> str:
    values = {field: getattr(event, field) for field in FIELDS}
    values["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
