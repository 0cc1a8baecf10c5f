"""The files of a record: the attestation, its manifest, and its images.

`docs/consent-record.md` explains each field, and how to check them by hand.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from importers.consent import approval, manifest, seal
from importers.models import Attestation, Image
from importers.reporting import outcomes, record, spreadsheet
from importers.reporting.periods import iso

SCHEMA_VERSION = 1  # of the JSON; raise it when a field changes its meaning or is removed
IMAGE_COLUMNS = (
    *("image", "original_name", "sha256", "byte_size", "subject_reference", "case_reference"),
    *("listing_reason", "note", "included_because", "batch", "importer", "outcome"),
    *("uploaded_at", "destroyed_at"),
)
BATCH_FIELDS = (
    *("number", "image_count", "state", "importer_id", "importer_among", "persona_status"),
    *("successful_count", "duplicate_count", "error_count", "accepted_at", "finished_at"),
)
VOID_FIELDS = (
    *("seal", "signed_by_username", "signed_at", "voided_by_id", "voided_at", "void_reason"),
)


def attestation_json(attestation: Attestation) -> str:
    """Return everything that was sealed, the seal, and what became of the batches."""
    content = {
        "schema": "consentry-attestation",
        "schema_version": SCHEMA_VERSION,
        # The same for as long as the seal is.
        "record_id": str(uuid5(NAMESPACE_URL, f"urn:sha256:{attestation.seal}")),
        "import": _import(attestation),
        "list": {
            "id": attestation.list_persona_id,
            "name": attestation.list_name,
            "environment": attestation.environment,
        },
        "sealed": _sealed(attestation),
        "seal": _seal(attestation),
        "manifest": {
            "version": attestation.manifest_version,
            "sha256": attestation.manifest_sha256,
            "images": attestation.image_count,
        },
        "approvals": list(attestation.approvals.values(*approval.FIELDS)),
        "void_attestations": _void(attestation),
        "batches": list(attestation.face_import.batches.order_by("number").values(*BATCH_FIELDS)),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, default=iso) + "\n"


def manifest_file(attestation: Attestation) -> bytes:
    """Return the bytes whose SHA-256 is `manifest_sha256`, unless the seal is broken.

    Raises manifest.UnknownVersion.
    """
    version = attestation.manifest_version
    return manifest.content(manifest.lines(attestation.face_import, version=version))


def images_csv(attestation: Attestation) -> Iterator[str]:
    rows = record.images(attestation.face_import).iterator(chunk_size=500)
    return spreadsheet.lines(IMAGE_COLUMNS, map(_cells, rows))


def _import(attestation: Attestation) -> dict[str, Any]:
    face_import = attestation.face_import
    return {
        "id": face_import.pk,
        "created_by": face_import.created_by.get_username(),
        "created_at": face_import.created_at,
        "mode": face_import.mode,
        "state": face_import.state,
    }


def _seal(attestation: Attestation) -> dict[str, Any]:
    broken = record.broken_seal(attestation)
    return {
        "version": attestation.seal_version,
        "sha256": attestation.seal,
        "checked_at": datetime.now(UTC),
        "intact": not broken,
        "problem": broken,
    }


def _void(attestation: Attestation) -> list[dict[str, Any]]:
    """Return the attestations of the import that were refused or withdrawn."""
    void = attestation.face_import.void_attestations
    return [{name: getattr(one, name) for name in VOID_FIELDS} for one in void]


def _sealed(attestation: Attestation) -> dict[str, Any]:
    """Return the sealed values in the form that the seal is computed from."""
    fields = seal.FIELDS.get(attestation.seal_version, seal.FIELDS[seal.VERSION])
    values = seal.canonical({name: getattr(attestation, name) for name in fields})
    sealed: dict[str, Any] = json.loads(values)
    return {name: sealed[name] for name in fields}


def _cells(image: Image) -> list[object]:
    return [
        image.key,
        image.original_name,
        image.sha256,
        image.byte_size,
        image.subject_reference,
        image.case_reference,
        image.listing_reason,
        image.note,
        image.included_because,
        image.batch.number if image.batch else "",
        image.batch.importer_id if image.batch else "",
        str(outcomes.of(image)),
        iso(image.uploaded_at),
        iso(image.destroyed_at) if image.destroyed_at else "",
    ]
