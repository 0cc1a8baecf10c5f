"""Sweeping: removing stored bytes that no row names, left by a crash or a discarded draft."""

import logging
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from importers.models import Approval, Attestation, Image, Import
from importers.vault import keeping

log = logging.getLogger(__name__)
LONGEST_UPLOAD = timedelta(hours=1)
SWEPT_FOR = timedelta(days=7)


def sweep(face_import: Import) -> None:
    """Sweep an import that gets no more files. If that fails, the hourly sweep tries again."""
    try:
        _sweep(face_import)
    except OSError as error:
        log.warning("import %s could not be swept: %s", face_import.pk, type(error).__name__)


def sweep_recent() -> None:
    """Sweep drafts and each import that may have recent leftovers. Raises OSError."""
    since = datetime.now(UTC) - SWEPT_FOR
    discarded = Image.objects.filter(destroyed_at__gt=since).values("face_import")
    signed = Attestation.objects.filter(signed_at__gt=since).values("face_import")
    decided = Approval.objects.filter(decided_at__gt=since).values("attestation__face_import")
    ended = Q(pk__in=signed) | Q(pk__in=decided) | Q(pk__in=discarded)
    lately = Q(created_at__gt=since) | ended
    for face_import in Import.objects.filter(Q(state=Import.State.DRAFT) | lately).iterator():
        _sweep(face_import, older_than=LONGEST_UPLOAD)


def _sweep(face_import: Import, *, older_than: timedelta = timedelta()) -> None:
    """While files may still arrive, `older_than` spares those whose row is not written yet."""
    # Files first: a row that is written between the two reads can then only spare a file.
    stored = keeping.keys(face_import)
    rows = face_import.files.values_list("storage_key", "thumbnail_key")
    for key in stored.difference(*rows):
        if not older_than or keeping.age(key) >= older_than:
            keeping.destroy_key(key)
