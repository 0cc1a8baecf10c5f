"""Face lists: read from Persona, or added by their id; and held while Persona refuses them."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from importers import audit, connection, pacing
from importers.audit import Actor
from importers.models import FaceList, PersonaLine
from importers.persona import errors
from importers.persona.answers import FACE_LIST, PersonaList

READ_EVERY = timedelta(minutes=10)
TRY_EVERY = timedelta(minutes=1)  # while the line is down, so that its being up again is seen
ON_DEMAND_TIMEOUT_SECONDS = 10
LONGEST_HOLD_SECONDS = 600


class NotAFaceList(Exception):
    """Persona has a list of that id, but it holds no faces."""


class Busy(Exception):
    """Our share of Persona's rate limit is used up for now; `wait` says for how long."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("share used up")
        self.wait = wait


def known() -> QuerySet[FaceList]:
    """The lists of the environment that the settings lead to."""
    return FaceList.objects.filter(environment=connection.environment())


def usable() -> QuerySet[FaceList]:
    return known().filter(archived=False)


def read_all(actor: Actor) -> int:
    """Reads every face list from Persona; how many there are. Raises PersonaError or Busy."""
    found = [row for row in _every_list() if row.type == FACE_LIST]
    with transaction.atomic():
        changed = [row.persona_id for row in map(_keep, found) if row]
        PersonaLine.objects.filter(environment=connection.environment()).update(lists_read_at=Now())
        if changed:
            audit.append(actor, "lists.read", None, changed=changed)
    return len(found)


def _every_list() -> Iterator[PersonaList]:
    persona = connection.persona(timeout_seconds=ON_DEMAND_TIMEOUT_SECONDS)
    after: str | None = ""
    while after is not None:
        _take_share()
        rows, after = persona.lists_page(after)
        yield from rows


def look_up(persona_id: str, actor: Actor) -> FaceList:
    """One list by its id, read from Persona now. Raises PersonaError, NotAFaceList or Busy."""
    _take_share()
    found = connection.persona(timeout_seconds=ON_DEMAND_TIMEOUT_SECONDS).face_list(persona_id)
    if found.type != FACE_LIST:
        raise NotAFaceList
    with transaction.atomic():
        if _keep(found):
            audit.append(actor, "lists.read", None, changed=[persona_id])
    return known().get(persona_id=persona_id)


def add(persona_id: str, name: str, actor: Actor) -> tuple[FaceList, str]:
    """Adds a list by its id; also what Persona says against it, if it says anything.

    A key may be allowed to import faces but not to read lists, so a list that cannot be read is
    added all the same; what Persona knows not to be a face list is refused (NotAFaceList), and so
    is what it does not know (NotFound).
    """
    try:
        return look_up(persona_id, actor), ""
    except errors.NotFound:
        raise
    except (errors.PersonaError, Busy) as error:
        doubt = error.words if isinstance(error, errors.PersonaError) else "not asked yet"
    with transaction.atomic():
        row, new = FaceList.objects.get_or_create(
            environment=connection.environment(), persona_id=persona_id, defaults={"name": name}
        )
        if new:
            audit.append(actor, "list.added", row, persona_id=persona_id)
    return row, doubt


def is_due() -> bool:
    line = PersonaLine.objects.filter(environment=connection.environment())
    lately = Q(lists_read_at__gt=Now() - READ_EVERY, problem="")
    return not line.filter(lately | Q(lists_read_at__gt=Now() - TRY_EVERY)).exists()


def postpone_reading() -> None:
    """Persona would not tell: asks again at the next turn, not at once."""
    PersonaLine.objects.filter(environment=connection.environment()).update(lists_read_at=Now())


def hold(face_list: FaceList, sentence: str) -> None:
    """Sends nothing to a list that Persona refuses, until it may be worth another try."""
    seconds = min(10 * 2 ** min(face_list.refusals, 10), LONGEST_HOLD_SECONDS)
    FaceList.objects.filter(pk=face_list.pk).update(
        problem=sentence,
        problem_since=Coalesce(F("problem_since"), Now()),
        refusals=F("refusals") + 1,
        held_until=pacing.after(timedelta(seconds=seconds)),
    )


def release(face_list_id: int) -> bool:
    """Ends a hold: the list took a batch, or a person asks for another try; whether it was held."""
    held = FaceList.objects.filter(pk=face_list_id).exclude(problem="")
    return bool(held.update(problem="", problem_since=None, refusals=0, held_until=None))


def _take_share() -> None:
    if wait := pacing.take(connection.environment()):
        raise Busy(wait)


def _keep(found: PersonaList) -> FaceList | None:
    """Writes what Persona told of a list; the row, if that was anything new."""
    row, new = FaceList.objects.get_or_create(
        environment=connection.environment(), persona_id=found.id
    )
    told = (found.name or row.name, found.archived)
    same = not new and told == (row.name, row.archived)
    row.name, row.archived = told
    row.save(update_fields=["name", "archived"])
    FaceList.objects.filter(pk=row.pk).update(read_at=Now())
    return None if same else row
