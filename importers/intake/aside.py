"""Images set aside in a draft: removed by a person, or already sent to the list.

Their bytes are kept, so that they can be taken back, until the draft is signed or discarded.
"""

from datetime import UTC, datetime

from django.db.models import QuerySet

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.intake import drafts, known
from importers.models import Image, Import


def remove(draft: Import, images: QuerySet[Image], actor: Actor) -> int:
    """Set aside accepted images, and delete rejected files. Return how many. Raises NotADraft."""
    with drafts.locked(draft):
        rejected = images.filter(state=Image.State.LEFT_OUT).exclude(reason__in=Image.ASIDE)
        rejected.delete()
        accepted = images.filter(state=Image.State.ACCEPTED)
        hashes = list(accepted.values_list("sha256", flat=True))
        # A copy of these that was removed before could not be taken back beside them.
        draft.files.filter(reason=Image.REMOVED, sha256__in=hashes).delete()
        known.set_aside(accepted, Image.REMOVED, "Removed from this draft.")
        if hashes:
            trail.append(actor, Action.IMAGES_REMOVED, draft, sha256=hashes)
    return len(hashes)


def restore(draft: Import, images: QuerySet[Image], actor: Actor) -> int:
    """Take back removed images, unless the draft has the same file again. Return how many.

    Raises NotADraft.
    """
    with drafts.locked(draft):
        present = draft.files.exclude(reason=Image.REMOVED).values("sha256")
        removed = images.filter(reason=Image.REMOVED).exclude(sha256__in=present)
        hashes = list(removed.values_list("sha256", flat=True))
        known.take_back(removed)
        if hashes:
            trail.append(actor, Action.IMAGES_RESTORED, draft, sha256=hashes)
        known.reassess(draft)
    return len(hashes)


def include(draft: Import, images: QuerySet[Image], because: str, actor: Actor) -> int:
    """Send images although the list has them already. Return how many. Raises NotADraft."""
    with drafts.locked(draft):
        sent_before = images.filter(reason=Image.ALREADY_SENT)
        hashes = list(sent_before.values_list("sha256", flat=True))
        known.take_back(sent_before, included_because=because)
        if hashes:
            trail.append(actor, Action.IMAGES_INCLUDED, draft, sha256=hashes)
    return len(hashes)


def settle(draft: Import) -> None:
    """Forget what is set aside, in the transaction that releases the import.

    The rows of images that the list had remain. The bytes, which no row names any longer, are swept
    after the commit.
    """
    draft.files.filter(reason=Image.REMOVED).delete()
    sent_before = draft.files.filter(reason=Image.ALREADY_SENT)
    sent_before.update(storage_key="", thumbnail_key="", destroyed_at=datetime.now(UTC))
