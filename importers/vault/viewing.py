"""Viewing: the only way to see a face. Each view is recorded.

The thumbnails of a page come together and are one view of all their faces. A person who sees the
same face again within ten minutes of a day (by scrolling or reloading a page) is recorded once,
because a row per request would bury the rest of the trail.
"""

from collections.abc import Iterable

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Image, Import
from importers.vault import keeping


def show(image: Image, actor: Actor) -> bytes:
    """Return the stored bytes, exactly as they arrived. Raises OSError if they cannot be read."""
    data = keeping.read(image)  # first: a face that could not be shown was not seen
    record(image, actor)
    return data


def show_thumbnail(image: Image, actor: Actor) -> bytes:
    """Return a small JPEG of the face. Raises OSError if it cannot be read."""
    data = keeping.read_thumbnail(image)
    record(image, actor)
    return data


def show_gallery(face_import: Import, images: Iterable[Image], actor: Actor) -> dict[Image, bytes]:
    """Return a small JPEG of each of these faces of an import that is still stored.

    Raises OSError if they cannot be read now.
    """
    shown = keeping.read_thumbnails(images)
    with transaction.atomic():
        views = trail.lately(actor, Action.GALLERY_VIEWED, face_import)
        seen = {key for view in views for key in view.details["images"]}
        if new := [image.pk for image in shown if image.pk not in seen]:
            trail.append(actor, Action.GALLERY_VIEWED, face_import, images=new)
    return shown


def record(image: Image, actor: Actor) -> None:
    """Record that the person sees the face."""
    trail.append_once(actor, Action.FACE_VIEWED, image, face_import=image.face_import_id)
