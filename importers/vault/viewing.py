"""Viewing: the only way to see a face. Each view is recorded.

A page of thumbnails is one view of all of them, recorded before the page leaves; each thumbnail
then comes with a proof of that. A person who sees the same face again within ten minutes of a day
(by scrolling or reloading a page) is recorded once, because a row per request would bury the rest
of the trail.
"""

from collections.abc import Iterable

from django.core.signing import BadSignature, TimestampSigner
from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Image, Import
from importers.vault import keeping

_signer = TimestampSigner(salt=__name__)


def show(image: Image, actor: Actor) -> bytes:
    """Return the stored bytes, exactly as they arrived. Raises OSError if they cannot be read."""
    data = keeping.read(image)  # first: a face that could not be shown was not seen
    _record(image, actor)
    return data


def show_gallery(face_import: Import, images: Iterable[Image], actor: Actor) -> None:
    """Record that the person sees these faces of an import, and give each image its `viewing`."""
    shown = [image for image in images if image.destroyed_at is None]
    with transaction.atomic():
        views = trail.lately(actor, Action.GALLERY_VIEWED, face_import)
        seen = {key for view in views for key in view.details["images"]}
        if new := [image.pk for image in shown if image.pk not in seen]:
            trail.append(actor, Action.GALLERY_VIEWED, face_import, images=new)
    for image in shown:
        subject = _subject(image, actor)
        image.viewing = _signer.sign(subject).removeprefix(subject)


def show_thumbnail(image: Image, actor: Actor, viewing: str = "") -> bytes:
    """Return a small JPEG of the face. It is recorded unless a gallery's `viewing` proves that.

    Raises OSError if it cannot be read.
    """
    data = keeping.read_thumbnail(image)
    if not _proves(viewing, image, actor):
        _record(image, actor)
    return data


def _record(image: Image, actor: Actor) -> None:
    trail.append_once(actor, Action.FACE_VIEWED, image, face_import=image.face_import_id)


def _proves(viewing: str, image: Image, actor: Actor) -> bool:
    try:
        _signer.unsign(_subject(image, actor) + viewing, max_age=trail.SAME_ACT)
    except BadSignature:
        return False
    return True


def _subject(image: Image, actor: Actor) -> str:
    return f"{actor.user and actor.user.pk}:{image.key}"
