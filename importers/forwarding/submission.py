"""Submission: a preview of what would be sent, and handing a signed import to the worker."""

from dataclasses import dataclass

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.consent.attestation import Signature, attest
from importers.forwarding import assignment, batching
from importers.intake import aside, drafts, known
from importers.models import Image, Import
from importers.vault import sweeping


@dataclass(frozen=True)
class Preview:
    """The images, bytes and images per request that would be sent now, in bulk."""

    images: int
    bytes: int
    requests: list[int]


def preview(draft: Import) -> Preview:
    accepted = draft.files.filter(state=Image.State.ACCEPTED).order_by("pk")
    byte_sizes = list(accepted.values_list("byte_size", flat=True))
    return Preview(len(byte_sizes), sum(byte_sizes), batching.sizes(byte_sizes))


def submit(draft: Import, signature: Signature, actor: Actor) -> None:
    """Seal the draft and cut it into batches in one transaction: both happened, or neither.

    Raises NotADraft or what `attest` raises.
    """
    with drafts.locked(draft):
        known.reassess(draft)
        attest(draft, signature, actor)
        aside.settle(draft)
        cuts = batching.cut(draft, signature.mode)
        draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
        trail.append(
            actor,
            Action.IMPORT_SENT,
            draft,
            batches=cuts,
            mode=signature.mode,
            assignment_sha256=assignment.digest(draft),
        )
    # After the commit no file can be added, so a stored file without a row is a leftover.
    sweeping.sweep(draft)
