"""Handing open drafts over to a colleague, such as those of a person who leaves."""

from django.db import transaction
from django.db.models import QuerySet

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Import, Person, Right, people
from importers.models.imports import OWNER


class CannotMakeImports(Exception):
    """The colleague has no right to make imports, or no longer an account to use."""


def takers(of: Person) -> QuerySet[Person]:
    """Return the colleagues who could continue this person's drafts."""
    return people.who_may(Right.MAKE_IMPORTS).exclude(pk=of.pk)


def open_drafts(of: Person) -> QuerySet[Import]:
    """Return the drafts that the person works on, the newest first."""
    own = Import.objects.alias(owner=OWNER).filter(owner=of.pk)
    return own.filter(state=Import.State.DRAFT).select_related("face_list")


def hand_over(of: Person, to: Person, actor: Actor) -> int:
    """Hand every open draft over, and return how many there were. Raises CannotMakeImports."""
    with transaction.atomic():
        if not takers(of).filter(pk=to.pk).exists():
            raise CannotMakeImports
        drafts = list(open_drafts(of).select_for_update(of=("self",)))
        Import.objects.filter(pk__in=[draft.pk for draft in drafts]).update(handed_to=to)
        for draft in drafts:
            names = {"before": of.get_username(), "after": to.get_username()}
            trail.append(actor, Action.IMPORT_HANDED_OVER, draft, **names)
    return len(drafts)
