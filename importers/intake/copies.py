"""Copying images that did not reach their list into a new draft."""

from django.db import transaction

from importers.audit import makers, trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.intake import drafts, files
from importers.models import Image, Import
from importers.vault import keeping
from importers.vault.keeping import Picture

COPIED = (
    *("original_name", "sort_name", "byte_size", "sha256", "format", "width", "height"),
    *("subject_reference", "case_reference", "listing_reason", "note", "included_because"),
)


class NothingToCopy(Exception):
    """No image of the import is both off the list and still stored."""


def copy_lost(face_import: Import, actor: Actor) -> Import:
    """Copy the images of lost batches, with their entries, into a new draft for the same list.

    Raises NothingToCopy, or OSError or StorageUnavailable; then the draft is discarded.
    """
    lost = face_import.files.filter(batch__in=face_import.batches.lost(), destroyed_at=None)
    images = list(lost.order_by("pk"))
    if not images:
        raise NothingToCopy
    draft = _open_copy(face_import, len(images), actor)
    try:
        for group in files.in_groups(images, lambda image: image.byte_size):
            copies = [_copied(image, draft) for image in group]
            keeping.put(copies)
            with drafts.locked(draft):
                Image.objects.bulk_create(copy.image for copy in copies)
    except BaseException:  # the end of the web process too: a part would look like the whole
        drafts.discard(draft, actor)
        raise
    return draft


def _open_copy(face_import: Import, count: int, actor: Actor) -> Import:
    """Open the draft. Its record is written first, so that no copy lacks the makers of its source.

    Whoever made the source made a part of the copy, too.
    """
    with transaction.atomic():
        draft = drafts.open_draft(face_import.face_list, actor)
        details = {"copied_from": face_import.pk, "makers": makers.makers_of(face_import)}
        trail.append(actor, Action.IMPORT_COPIED, draft, images=count, **details)
    return draft


def _copied(image: Image, draft: Import) -> Picture:
    row = Image(face_import=draft, state=Image.State.ACCEPTED)
    for name in COPIED:
        setattr(row, name, getattr(image, name))
    return Picture(row, keeping.read(image), keeping.read_thumbnail(image))
