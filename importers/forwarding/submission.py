"""Submission: a preview of what would be sent, and handing a signed import to the worker.

Signing does that at once, unless the list's policy asks for a second person's approval. Until then
there is no batch, so there is nothing that a worker could send.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.consent import approval, seal
from importers.consent.attestation import Signature, attest
from importers.forwarding import assignment, batching, completion
from importers.intake import aside, drafts, known
from importers.models import Attestation, Image, Import
from importers.vault import sweeping

State, Decision = Import.State, approval.Decision


class NotAwaited(Exception):
    """The import does not wait for this decision, or no longer does."""


class ShownAnother(Exception):
    """The person was shown another attestation than the one in force now."""


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
    """Seal the draft, and release it or let it await approval, as the list's policy says.

    Both in one transaction: both happened, or neither. Raises NotADraft or what `attest` raises.
    """
    with drafts.locked(draft):
        known.reassess(draft)
        signed = attest(draft, signature, actor)
        Import.objects.filter(pk=draft.pk).update(mode=signature.mode)
        draft.mode = signature.mode
        if signed.needs_approval:
            draft.move(State.AWAITING_APPROVAL, of=(State.DRAFT,))
        else:
            _release(draft, actor, of=State.DRAFT)
    # After the commit no file can be added, so a stored file without a row is a leftover.
    sweeping.sweep(draft)


def approve(face_import: Import, shown: str, actor: Actor) -> None:
    """Approve the attestation with that seal, and release the import.

    If the import was released before, its batches that failed without an approval in force are
    tried again. Raises NotAwaited, ShownAnother, SealBroken or IsMaker.
    """
    with _awaited(face_import, shown) as signed:
        seal.check(signed)
        approval.decide(signed, Decision.APPROVED, actor)
        if signed.face_import.awaits_approval:
            _release(signed.face_import, actor, of=State.AWAITING_APPROVAL)
        else:
            _try_again(signed.face_import, actor)
    sweeping.sweep(face_import)


def refuse(face_import: Import, shown: str, reason: str, actor: Actor) -> None:
    """Void the attestation with that seal, and return the import to its makers.

    Raises NotAwaited, also if the import was released before, ShownAnother or IsMaker.
    """
    with _awaited(face_import, shown) as signed:
        if not signed.face_import.awaits_approval:
            raise NotAwaited
        approval.decide(signed, Decision.REFUSED, actor, reason)
        signed.face_import.move(State.DRAFT, of=(State.AWAITING_APPROVAL,))


def withdraw(face_import: Import, actor: Actor) -> None:
    """Void the attestation, so that the draft can be changed. Raises NotAwaited."""
    with _awaited(face_import) as signed:
        if not signed.face_import.awaits_approval:
            raise NotAwaited
        approval.withdraw(signed, actor)
        signed.face_import.move(State.DRAFT, of=(State.AWAITING_APPROVAL,))


@contextmanager
def _awaited(face_import: Import, shown: str | None = None) -> Iterator[Attestation]:
    """A transaction in which the import waits for a decision about the attestation in force."""
    with transaction.atomic():
        completion.lock(face_import.batches.values_list("pk", flat=True))
        locked = Import.objects.select_for_update().get(pk=face_import.pk)
        signed = locked.attestation
        if signed is None or not approval.is_wanted(locked):
            raise NotAwaited
        if shown not in (None, signed.seal):
            raise ShownAnother
        yield signed


def _release(sealed: Import, actor: Actor, *, of: Import.State) -> None:
    """Cut a sealed import into batches. Call it in the transaction that signs or approves it."""
    aside.settle(sealed)
    Import.objects.filter(pk=sealed.pk).update(draft_answers={})
    cuts = batching.cut(sealed, Import.Mode(sealed.mode))
    sealed.move(State.FORWARDING, of=(of,))
    trail.append(
        actor,
        Action.IMPORT_SENT,
        sealed,
        batches=cuts,
        mode=sealed.mode,
        assignment_sha256=assignment.digest(sealed),
    )


def _try_again(released: Import, actor: Actor) -> None:
    """Queue the batches that failed without an approval; those in doubt are recovered first."""
    failed = released.batches.not_approved()
    numbers = list(failed.values_list("number", flat=True))
    failed.filter(may_have_arrived=True).recover()
    failed.filter(may_have_arrived=False).requeue()
    released.reopen()
    trail.append(actor, Action.IMPORT_RETRIED, released, batches=len(numbers))
