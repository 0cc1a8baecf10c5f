"""Looking for a batch that may have arrived, before it could be sent under another key.

Persona has no search by our key and tells of an importer neither its list nor its files
(docs: /api-reference/importers), so ours is known by its kind, its time and by elimination: made
while we were trying, and claimed by no batch. Another batch that was tried in the same minutes and
has no importer yet could own it as well; then we wait for that one, or ask a person.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from importers import audit, connection, pacing
from importers.audit import Actor
from importers.forwarding import policy
from importers.models import Batch, Import
from importers.persona.answers import Importer, Status

State = Batch.State
SKEW = policy.CLOCKS_DIFFER_AT_MOST
MOST_PAGES = 20  # of a hundred importers each


class TooEarly(Exception):
    """It can't be told yet: another batch will soon know its importer, or our share is used up."""


class NoSuchCandidate(Exception):
    """The batch does not wait for this decision (any more)."""


@dataclass(frozen=True)
class Looked:
    """The importers that could be the batch's; whether all were read, and whether that is sure.

    It is not where another batch could own one of them too, or where Persona does not tell when
    one was made.
    """

    found: list[Importer]
    all_read: bool
    is_sure: bool


def look(batch: Batch) -> Looked:
    """Raises PersonaError or TooEarly."""
    rivals = _rivals(batch)
    _wait_for(rivals)
    made, all_read = _made_for(batch)
    _wait_for(rivals)  # one may have begun meanwhile
    shared = rivals.exists()
    known = Batch.objects.filter(importer_id__in=[row.id for row in made])
    taken = set(known.values_list("importer_id", flat=True))
    found = [row for row in made if row.id not in taken]
    theirs = shared or any(row.created_at is None for row in found)
    return Looked(found, all_read, is_sure=all_read and not (found and theirs))


def fits(batch: Batch, importer: Importer) -> bool:
    """Whether nothing that Persona tells of it speaks against its being this batch's."""
    counts = (importer.successful_count, importer.duplicate_count, importer.error_count)
    told = sum(count or 0 for count in counts)
    return told == batch.image_count or (importer.status is Status.PENDING and told == 0)


def told(importer: Importer) -> dict[str, object]:
    """What a person needs to tell one candidate from another."""
    return {
        "id": importer.id,
        "created_at": importer.created_at.isoformat() if importer.created_at else "",
        "status": importer.raw_status,
        "successful_count": importer.successful_count,
        "duplicate_count": importer.duplicate_count,
        "error_count": importer.error_count,
    }


def decide(batch: Batch, importer_id: str, actor: Actor) -> None:
    """A person says which candidate is the batch's, or with "" that none is: it is sent again."""
    if importer_id and importer_id not in [row["id"] for row in batch.candidates]:
        raise NoSuchCandidate
    values: dict[str, object] = {"problem": "", "problem_detail": "", "candidates": []}
    if importer_id:
        values |= {"importer_id": importer_id, "accepted_at": Now()}
    else:
        values |= {"idempotency_key": None, "first_sent_at": None, "may_have_arrived": False}
    to = State.IMPORTING if importer_id else State.QUEUED
    waiting = Batch.objects.filter(pk=batch.pk, problem=policy.AMBIGUOUS, state=State.FAILED)
    try:
        with transaction.atomic():
            if not waiting.update(state=to, next_attempt_at=Now(), **values):
                raise NoSuchCandidate
            batch.face_import.move(Import.State.FORWARDING, of=(Import.State.NEEDS_ATTENTION,))
            audit.append(actor, "batch.decided", batch, importer=importer_id)
    except IntegrityError as taken:  # `importer_claimed_once`
        raise NoSuchCandidate from taken


def _window(batch: Batch) -> tuple[datetime, datetime]:
    """When its importer can have been made, by our clock, which may differ a little from theirs."""
    if batch.first_sent_at is None or batch.tried_until is None:
        raise ValueError("A batch that was never sent is not looked for.")
    return batch.first_sent_at - SKEW, batch.tried_until + SKEW


def _rivals(batch: Batch) -> QuerySet[Batch]:
    """Other batches of this environment that may have an importer of the same minutes."""
    begin, end = _window(batch)
    others = Batch.objects.of_environment(connection.environment()).exclude(pk=batch.pk)
    in_doubt = Q(state=State.SENDING) | Q(may_have_arrived=True, importer_id="")
    still = Q(state=State.SENDING) | Q(tried_until__gte=begin - SKEW)
    return others.filter(in_doubt & still, first_sent_at__lte=end + SKEW)


def _wait_for(rivals: QuerySet[Batch]) -> None:
    if rivals.filter(state__in=[State.SENDING, State.UNKNOWN], look_first=False).exists():
        raise TooEarly


def _made_for(batch: Batch) -> tuple[list[Importer], bool]:
    """Page by page, newest first, back to its first send; and whether we got that far.

    Also those of which Persona does not tell when they were made (a key can hide it).
    """
    persona = connection.persona(batch)
    found: list[Importer] = []
    after = ""
    for _ in range(MOST_PAGES):
        if after and pacing.take(connection.environment(), to_send=True):
            raise TooEarly
        page = persona.importers_page(after)
        begin, end = (moment + connection.line().clock_ahead for moment in _window(batch))
        found += [row for row in page.faces if begin <= (row.created_at or begin) <= end]
        if page.next is None or (page.oldest and page.oldest < begin):
            return found, True
        after = page.next
    return found, False
