"""The sessions of a person, and ending them."""

from datetime import UTC, datetime

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Person


def of(person: Person) -> list[Session]:
    unexpired = Session.objects.filter(expire_date__gt=datetime.now(UTC))
    return [each for each in unexpired if each.get_decoded().get(SESSION_KEY) == str(person.pk)]


def end_all(person: Person, actor: Actor) -> int:
    """End every session of the person at once, and return how many there were."""
    keys = [session.pk for session in of(person)]
    if keys:
        Session.objects.filter(pk__in=keys).delete()
        trail.append(actor, Action.PERSON_SESSIONS_ENDED, person, count=len(keys))
    return len(keys)
