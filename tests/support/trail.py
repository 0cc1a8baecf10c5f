"""Writing and reading the audit trail."""

import hashlib
import json

from importers.audit import trail, verification
from importers.audit.actions import Action
from importers.audit.actors import WORKER, Actor
from importers.models import AuditEvent, AuditHead, FaceList


def actions() -> list[str]:
    """The action of every audit row, oldest first."""
    return list(AuditEvent.objects.values_list("action", flat=True))


def breaks() -> list[str]:
    """Every break that the product finds."""
    return list(verification.find_breaks())


def write_five_rows(actor: Actor, face_list: FaceList) -> list[AuditEvent]:
    trail.append(actor, Action.LIST_ADDED, face_list, persona_id="lst_unknown")
    trail.append(WORKER, Action.BATCH_ACCEPTED, importer="impr_1")
    trail.append(actor, Action.LISTS_SYNCED, changed=["lst_1", "lst_2"])
    trail.append(actor, Action.IMPORTS_EXPORTED, filter="state=draft")
    trail.append(WORKER, Action.IMPORT_COMPLETED)
    return list(AuditEvent.objects.all())


def row_hash(event: AuditEvent) -> str:
    """The hash of a row, computed without the product's code."""
    values = {
        "pk": event.pk,
        "at": event.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "actor_id": event.actor_id,
        "actor_name": event.actor_name,
        "address": event.address,
        "action": event.action,
        "object_type": event.object_type,
        "object_id": event.object_id,
        "details": event.details,
        "previous_hash": event.previous_hash,
    }
    line = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(line.encode()).hexdigest()


def block_the_next_row() -> AuditEvent:
    """Occupy the number of the next row, so that the product cannot write it."""
    head, _ = AuditHead.objects.get_or_create(pk=1)
    forged = {"at": "2026-01-01T00:00:00Z", "previous_hash": "", "hash": "forged"}
    return AuditEvent.objects.create(pk=head.length + 1, **forged)
