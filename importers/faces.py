"""Showing a face: only through here, and every viewing leaves its trace.

A person who looks at the same face again within a few minutes (a page scrolled or reloaded) is
written down once.
"""

from datetime import UTC, datetime, timedelta

from django.core.files.storage import default_storage
from django.db import transaction

from importers import audit, images
from importers.audit import Actor
from importers.models import AuditEvent, Image

SAME_VIEWING = timedelta(minutes=10)
VIEWED = "face.viewed"


def show(image: Image, actor: Actor) -> bytes:
    """The stored bytes, exactly as they came. Raises OSError where they can't be read."""
    with default_storage.open(image.storage_key) as stored:
        data: bytes = stored.read()
    with transaction.atomic():
        if not _seen_lately(image, actor):
            audit.append(actor, VIEWED, image, face_import=image.face_import_id)
    return data


def show_small(image: Image, actor: Actor) -> bytes:
    """A thumbnail, as JPEG."""
    return images.thumbnail(show(image, actor))


def _seen_lately(image: Image, actor: Actor) -> bool:
    return AuditEvent.objects.filter(
        object_type="image",
        object_id=str(image.pk),
        action=VIEWED,
        actor=actor.user,
        at__gt=datetime.now(UTC) - SAME_VIEWING,
    ).exists()
