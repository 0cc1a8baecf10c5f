"""The seal: one hash over an attestation, so that no answer and no image can change unnoticed.

Each version of the seal names its fields, so a column that is added later does not break existing
seals. To seal a new column, add a version; never change one that exists.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache

from importers.audit.actions import Action
from importers.consent import manifest
from importers.models import Attestation, AuditEvent, Image, Import

VERSION = 3
FIELDS = {
    3: (
        *("face_import_id", "statement_version", "statement_text", "lawful_basis"),
        *("jurisdictions", "image_source", "purpose", "term_ends_on", "evidence_reference"),
        *("adults_only", "evidence_kind", "notice_version", "consent_from", "consent_to"),
        *("withdrawal_route", "law", "decided_by", "decided_on", "assessment_reference"),
        *("informed_on", "not_informed_reason", "article_6_ground", "article_9_ground"),
        *("warnings", "manifest_version", "manifest_sha256", "image_count", "environment"),
        *("list_persona_id", "list_name", "typed_name", "signed_by_id", "signed_by_username"),
        *("signed_at", "signed_from", "sign_in_method", "needs_approval", "seal_version"),
    ),
}
# What makes an attestation void.
VOIDING = (Action.IMPORT_REFUSED, Action.IMPORT_WITHDRAWN)
OTHER_IMAGES = "The import's images or entries are not those that were attested."


class SealBroken(Exception):
    """The import differs from what was sealed; `reason` says where."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def compute(attestation: Attestation) -> str:
    """Return the SHA-256 over the fields that the attestation's `seal_version` names.

    Raises SealBroken for a version that does not exist.
    """
    fields = FIELDS.get(attestation.seal_version)
    if fields is None:
        raise SealBroken(f"The seal has the unknown version {attestation.seal_version}.")
    return digest({name: getattr(attestation, name) for name in fields})


def digest(values: dict[str, object]) -> str:
    """Return the SHA-256 of the values in canonical form, in lower-case hexadecimal."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()


def canonical(values: dict[str, object]) -> str:
    """Return the values as JSON in one form: sorted, without spaces, dates in ISO 8601, in UTC."""
    return json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
    )


def check(attestation: Attestation) -> None:
    """Raise SealBroken unless the attestation, list and images are those that were sealed."""
    _check_record_and_list(attestation)
    _sealed_lines(*_manifest_of(attestation))


def check_images(attestation: Attestation, images: Iterable[Image]) -> None:
    """Raise SealBroken unless the attestation, list and each of these images are as sealed.

    A process reads the whole import for its first batch only, not for each of hundreds.
    """
    _check_record_and_list(attestation)
    if not kept_lines(*_manifest_of(attestation)).issuperset(map(manifest.line, images)):
        raise SealBroken(OTHER_IMAGES)


def check_record(attestation: Attestation) -> None:
    """Raise SealBroken unless the attestation fits its seal, and the audit trail holds that seal.

    The seal has no key, so whoever can write to the database can compute another one. They cannot
    change the trail's row unnoticed, because every later row depends on it. The trail also says
    whether the attestation is void, which the seal does not cover.
    """
    if attestation.seal != compute(attestation):
        raise SealBroken("The attestation was changed after it was sealed.")
    acts = AuditEvent.objects.filter(
        object_type="import",
        object_id=str(attestation.face_import_id),
        action__in=(Action.IMPORT_ATTESTED, *VOIDING),
        # By the database: edited details may be of any type.
        details__seal=attestation.seal,
    )
    found = set(acts.values_list("action", flat=True))
    if Action.IMPORT_ATTESTED not in found:
        raise SealBroken("The audit trail does not hold this seal.")
    if attestation.is_void == found.isdisjoint(VOIDING):
        raise SealBroken("The audit trail and the attestation disagree on whether it is void.")


def _check_record_and_list(attestation: Attestation) -> None:
    check_record(attestation)
    to = attestation.face_import.face_list
    if (attestation.environment, attestation.list_persona_id) != (to.environment, to.persona_id):
        raise SealBroken("The import goes to a list other than the one that was attested.")


def _manifest_of(attestation: Attestation) -> tuple[int, int, int, str]:
    """Return what names one manifest: its import, version, number of lines and SHA-256."""
    return (
        attestation.face_import_id,
        attestation.manifest_version,
        attestation.image_count,
        attestation.manifest_sha256,
    )


def _sealed_lines(import_id: int, version: int, count: int, sha256: str) -> frozenset[str]:
    """Return the lines of the manifest. Raises SealBroken if the images have another manifest."""
    try:
        images = manifest.lines(Import(pk=import_id), version=version)
    except manifest.UnknownVersion as unknown:
        raise SealBroken(f"The manifest has version {unknown}, which is not known.") from unknown
    # The count too: an edited entry may hold a line break and the line of another image.
    if (count, sha256) != (len(images), manifest.digest(images)):
        raise SealBroken(OTHER_IMAGES)
    return frozenset(images)


# What is kept is never out of date, because no other manifest has the same hash.
kept_lines = lru_cache(maxsize=2)(_sealed_lines)


def find_breaks() -> Iterator[str]:
    """Yield a sentence for each import that differs from its attestations, seals or trail."""
    signed = AuditEvent.objects.filter(action=Action.IMPORT_ATTESTED)
    missing = Counter(signed.values_list("object_id", flat=True))
    attestations = Attestation.objects.select_related("face_import__face_list").order_by("pk")
    for attestation in attestations.iterator(chunk_size=500):
        missing[str(attestation.face_import_id)] -= 1
        try:
            # The draft may have changed since: a void attestation no longer covers any images.
            (check_record if attestation.is_void else check)(attestation)
        except SealBroken as broken:
            yield f"Import {attestation.face_import_id}: {broken.reason}"
    # An edited row may name no number.
    for import_id in sorted(+missing, key=lambda one: (len(one), one)):
        yield f"Import {import_id}: The attestation is missing."


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"An attestation cannot hold a {type(value).__name__}.")
