"""Viewing: the only way to see a face. Each view is recorded.

A person who sees the same face again within ten minutes (by scrolling or reloading a page) is
recorded once, because a row per request would bury the rest of the trail.
"""

from datetime import UTC, datetime, timedelta

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import AuditEvent, Image
from importers.vault import keeping

SAME_VIEWING = timedelta(minutes=10)


def show(image: Image, actor: Actor) -> bytes:
    """Return the stored bytes, exactly as they arrived. Raises OSError if they cannot be read."""
    data = keeping.read(image)  # first: a face that could not be shown was not seen
    _record(image, actor)
    return data


def show_thumbnail(image: Image, actor: Actor) -> bytes:
    """Return a small JPEG of the face. Raises OSError if it cannot be read."""
    data = keeping.read_thumbnail(image)
    _record(image, actor)
    return data


def _record(image: Image, actor: Actor) -> None:
    with transaction.atomic():
        if not _was_seen_recently(image, actor):
            trail.append(actor, Action.FACE_VIEWED, image, face_import=image.face_import_id)


def _was_seen_recently(image: Image, actor: Actor) -> bool:
    return AuditEvent.objects.filter(
        object_type="image",
        object_id=str(image.pk),
        action=Action.FACE_VIEWED,
        actor=actor.user,
        at__gt=datetime.now(UTC) - SAME_VIEWING,
    ).exists()
