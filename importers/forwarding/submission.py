"""Submission: a preview of what would be sent, and handing a signed import to the worker."""

from dataclasses import dataclass

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.consent import manifest
from importers.consent.attestation import Answers, Shown, attest
from importers.forwarding import batching
from importers.models import Image, Import
from importers.vault import sweeping


@dataclass(frozen=True)
class Preview:
    """The images, bytes and images per request that would be sent now, and the manifest's hash."""

    images: int
    bytes: int
    requests: list[int]
    manifest_sha256: str


def preview(draft: Import) -> Preview:
    accepted = draft.files.filter(state=Image.State.ACCEPTED).order_by("pk")
    rows = list(accepted.values_list("byte_size", "sha256"))
    byte_sizes = [byte_size for byte_size, _ in rows]
    digest = manifest.digest(sorted(sha256 for _, sha256 in rows))
    return Preview(len(rows), sum(byte_sizes), batching.sizes(byte_sizes), digest)


def submit(draft: Import, answers: Answers, actor: Actor, shown: Shown | None) -> None:
    """Seal the draft and cut it into batches in one transaction: both happened, or neither.

    Raises what `attest` raises.
    """
    with transaction.atomic():
        attest(draft, answers, actor, shown)
        cuts = batching.cut(draft)
        draft.move(Import.State.FORWARDING, of=(Import.State.DRAFT,))
        trail.append(actor, Action.IMPORT_SENT, draft, batches=cuts)
    # After the commit no file can be added, so a stored file without a row is a leftover.
    sweeping.sweep(draft)
