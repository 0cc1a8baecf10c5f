"""Policy: what an import to a list needs before it is sent. It counts when the import is signed."""

from django.db import transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import FaceList, Import


def waiting(face_list: FaceList) -> int:
    """Return how many imports to the list wait for an approval."""
    return face_list.imports.filter(state=Import.State.AWAITING_APPROVAL).count()


def change(face_list: FaceList, *, needs_approval: bool, actor: Actor) -> None:
    """Say whether a second person approves imports to the list.

    Imports that are signed already stay as they are.
    """
    with transaction.atomic():
        other = FaceList.objects.filter(pk=face_list.pk).exclude(needs_approval=needs_approval)
        if other.update(needs_approval=needs_approval):
            before = {"needs_approval": not needs_approval}
            after = {"needs_approval": needs_approval}
            trail.append(actor, Action.LIST_POLICY_CHANGED, face_list, before=before, after=after)
    face_list.needs_approval = needs_approval
