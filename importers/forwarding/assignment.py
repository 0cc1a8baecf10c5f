"""The assignment: which image went in which batch, and what its row said when it was signed.

The seal covers hashes and entries. The trail keeps one hash over the rest of each image's row, so
that `verify_audit` finds a row that was changed later.
"""

import hashlib
import json
from collections.abc import Iterator

from importers.audit.actions import Action
from importers.models import Attestation, AuditEvent, Image, Import

FIELDS = (
    *("key", "sha256", "original_name", "byte_size", "format", "width", "height"),
    *("uploaded_at", "included_because", "batch__number"),
)


def digest(sealed: Import) -> str:
    """Return the SHA-256 over a line of JSON for each accepted image, in the order of arrival."""
    whole = hashlib.sha256()
    accepted = sealed.files.filter(state=Image.State.ACCEPTED).order_by("pk")
    for row in accepted.values_list(*FIELDS).iterator(chunk_size=2000):
        whole.update(json.dumps(row, default=str, ensure_ascii=False).encode() + b"\n")
    return whole.hexdigest()


def find_breaks() -> Iterator[str]:
    """Yield a sentence for each import whose images are not those that the trail recorded."""
    in_force = Attestation.objects.filter(voided_at=None).order_by("pk")
    unreleased = Import.objects.filter(state=Import.State.AWAITING_APPROVAL, batches=None)
    signed = in_force.exclude(needs_approval=True, face_import__in=unreleased)
    for import_id in signed.values_list("face_import", flat=True).iterator():
        records = AuditEvent.objects.filter(
            object_type="import", object_id=str(import_id), action=Action.IMPORT_SENT
        )
        # By the database: edited details may be of any type.
        recorded = records.values_list("details__assignment_sha256", flat=True).last()
        if recorded != digest(Import(pk=import_id)):
            yield f"Import {import_id}: An image's row or its batch was changed after signing."
