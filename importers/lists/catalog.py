"""Face lists: synced from Persona, or added by their ID."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.gateway import client, environments, rate_limit
from importers.models import FaceList, Gateway
from importers.persona import errors
from importers.persona.client import Client
from importers.persona.responses import FACE_LIST, PersonaList

SYNC_EVERY = timedelta(minutes=10)
RETRY_EVERY = timedelta(minutes=1)  # while reads fail: a sync is a trial too
TIMEOUT_SECONDS = 10  # a person is waiting


class Unavailable(Exception):
    """Persona gave no list; `words` says why, in its own words if it gave any.

    Its text is safe to log, like that of the error behind it.
    """

    def __init__(self, summary: str, words: str = "") -> None:
        super().__init__(summary)
        self.words = (words or summary).rstrip(".")


class NoRequestLeft(Unavailable):
    """No request may be made for now: the budget is used up or the breaker is open; see `wait`."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("Persona was not asked")
        self.wait = wait


class UnknownList(Exception):
    """Persona has no list with that ID."""


class NotAFaceList(Exception):
    """Persona has a list with that ID, but it is not a face list."""


def known() -> QuerySet[FaceList]:
    """Return the lists of the current environment."""
    return FaceList.objects.filter(environment=environments.current())


def usable() -> QuerySet[FaceList]:
    return known().filter(archived=False)


def sync(actor: Actor) -> int:
    """Read every face list from Persona and return how many there are. Raises Unavailable."""
    gateway = Gateway.objects.filter(environment=environments.current())
    # Before the transaction: none is open while Persona is called.
    found = [row for row in _every_list() if row.type == FACE_LIST]
    with transaction.atomic():
        changed = [row.persona_id for row in map(_store, found) if row]
        gateway.update(lists_synced_at=Now(), lists_attempted_at=Now())
        if changed:
            trail.append(actor, Action.LISTS_SYNCED, None, changed=changed)
    return len(found)


def look_up(persona_id: str, actor: Actor) -> FaceList:
    """Read one list from Persona by its ID.

    Raises UnknownList, NotAFaceList or Unavailable.
    """
    try:
        found = _persona().face_list(persona_id)
    except errors.NotFound as error:
        raise UnknownList from error
    except errors.PersonaError as error:
        raise Unavailable(error.summary, error.words) from error
    if found.id != persona_id:
        raise Unavailable("Persona answered with another list")
    if found.type != FACE_LIST:
        raise NotAFaceList
    with transaction.atomic():
        if _store(found):
            trail.append(actor, Action.LISTS_SYNCED, None, changed=[persona_id])
    return known().get(persona_id=persona_id)


def add(persona_id: str, name: str, actor: Actor) -> tuple[FaceList, str]:
    """Add a list by its ID. Return it, and why Persona could not confirm it, if it could not.

    A key may be allowed to import faces but not to read lists, so a list that cannot be read is
    added all the same. Raises UnknownList or NotAFaceList for what Persona knows to be wrong.
    """
    try:
        return look_up(persona_id, actor), ""
    except Unavailable as unavailable:
        doubt = unavailable.words
    with transaction.atomic():
        row, new = FaceList.objects.get_or_create(
            environment=environments.current(), persona_id=persona_id, defaults={"name": name}
        )
        if new:
            trail.append(actor, Action.LIST_ADDED, row, persona_id=persona_id)
    return row, doubt


def sync_is_due() -> bool:
    gateway = Gateway.objects.filter(environment=environments.current())
    lately = Q(lists_attempted_at__gt=Now() - SYNC_EVERY, reads_fail=False)
    return not gateway.filter(lately | Q(lists_attempted_at__gt=Now() - RETRY_EVERY)).exists()


def postpone_sync() -> None:
    """Record a failed sync, so that the next one is not made immediately."""
    gateway = Gateway.objects.filter(environment=environments.current())
    gateway.update(lists_attempted_at=Now())


def _every_list() -> Iterator[PersonaList]:
    after: str | None = ""
    while after is not None:
        try:
            rows, after = _persona().lists_page(after)
        except errors.PersonaError as error:
            raise Unavailable(error.summary, error.words) from error
        yield from rows


def _persona() -> Client:
    """Return a client for one request within our share. Raises NoRequestLeft."""
    try:
        return client.persona(timeout_seconds=TIMEOUT_SECONDS)
    except rate_limit.NoRequestLeft as full:
        raise NoRequestLeft(full.wait) from full


def _store(found: PersonaList) -> FaceList | None:
    """Write what Persona reports of a list. Return the row if anything changed."""
    row, new = FaceList.objects.get_or_create(
        environment=environments.current(), persona_id=found.id
    )
    reported = (found.name or row.name, found.archived)
    same = not new and reported == (row.name, row.archived)
    row.name, row.archived = reported
    row.save(update_fields=["name", "archived"])
    FaceList.objects.filter(pk=row.pk).update(read_at=Now())
    return None if same else row
