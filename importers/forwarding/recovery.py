"""Recovery: find the importer of a batch that may have arrived, before it gets another key.

Persona cannot search by our key, and reports neither the list nor the files of an importer
(docs: /api-reference/importers). So ours is identified by its kind, its time and elimination: it
was created while we were trying, and no batch has claimed it. Another batch that was tried in the
same minutes and has no importer yet could also own it; then we wait for that one or ask a person.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from importers.forwarding import policy
from importers.forwarding.claims import key_lives
from importers.forwarding.policy import Before, Outcome
from importers.gateway import client, environments, rate_limit
from importers.models import Batch, Problem
from importers.persona import errors
from importers.persona.responses import Importer, Status

State = Batch.State
SKEW = policy.CLOCKS_DIFFER_AT_MOST
MAX_PAGES = 20  # of a hundred importers each


class TooEarly(Exception):
    """Another batch may soon have its importer, or our share is used up: try again later."""


@dataclass(frozen=True)
class Search:
    """The importers that could be the batch's, whether all were read, and whether it is certain.

    It is uncertain if another batch could own one of them too, or if Persona does not report when
    one was created.
    """

    found: list[Importer]
    all_read: bool
    is_sure: bool


def recover(batch: Batch) -> Outcome:
    """Search Persona for the batch, and return its importer if no other explanation is left."""
    before = Before.of(batch)
    try:
        search = find(batch)
    except errors.PersonaError as error:
        return Outcome(step=policy.recover_later(error.words, before))
    except TooEarly:
        return Outcome(step=policy.recover_later("Checking with Persona.", before))
    # An import that the backup does not hold could own the importer, so only a person matches it.
    is_sure = search.is_sure and before.problem != Problem.RESTORED
    if is_sure and len(search.found) == 1 and fits(batch, search.found[0]):
        return Outcome(importer=search.found[0])
    if search.found or not search.all_read:
        step = policy.ambiguous(before, all_read=search.all_read)
        return Outcome(step=step, values={"candidates": [_candidate(row) for row in search.found]})
    return Outcome(step=policy.not_found_at_persona(before, key_lives=key_lives(batch)))


def find(batch: Batch) -> Search:
    """Return the unclaimed importers that could be its own. Raises PersonaError or TooEarly."""
    rivals = _rivals(batch)
    _wait_for(rivals)
    created, all_read = _created_meanwhile(batch)
    _wait_for(rivals)  # one may have started in the meantime
    shared = rivals.exists()
    known = Batch.objects.filter(importer_id__in=[row.id for row in created])
    claimed = set(known.values_list("importer_id", flat=True))
    found = [row for row in created if row.id not in claimed]
    uncertain = shared or any(row.created_at is None for row in found)
    return Search(found, all_read, is_sure=all_read and not (found and uncertain))


def fits(batch: Batch, importer: Importer) -> bool:
    """Return True if nothing that Persona reports contradicts that it is this batch's."""
    # Evidence against it only: Persona does not promise that counts add up.
    counts = (importer.successful_count, importer.duplicate_count, importer.error_count)
    total = sum(count or 0 for count in counts)
    return total == batch.image_count or (importer.status is Status.PENDING and total == 0)


def _candidate(importer: Importer) -> dict[str, object]:
    """Return what a person needs to tell one candidate from another."""
    return {
        "id": importer.id,
        "created_at": importer.created_at.isoformat() if importer.created_at else "",
        "status": importer.raw_status,
        "successful_count": importer.successful_count,
        "duplicate_count": importer.duplicate_count,
        "error_count": importer.error_count,
    }


def _window(batch: Batch) -> tuple[datetime, datetime]:
    """Return when its importer can have been created, with a margin for the clocks."""
    if batch.first_sent_at is None or batch.tried_until is None:
        raise ValueError("A batch that was never sent cannot be recovered.")
    return batch.first_sent_at - SKEW, batch.tried_until + SKEW


def _rivals(batch: Batch) -> QuerySet[Batch]:
    """Return the other batches that may own an importer created in the same minutes."""
    begin, end = _window(batch)
    others = Batch.objects.of_environment(environments.current()).exclude(pk=batch.pk)
    in_doubt = Q(state=State.SENDING) | Q(may_have_arrived=True, importer_id="")
    recent = Q(state=State.SENDING) | Q(tried_until__gte=begin - SKEW)
    return others.filter(in_doubt & recent, first_sent_at__lte=end + SKEW)


def _wait_for(rivals: QuerySet[Batch]) -> None:
    # A rival that is itself in recovery does not count: the two would wait for each other.
    waiting = rivals.filter(state__in=[State.SENDING, State.UNKNOWN], recover_first=False)
    if waiting.exists():
        raise TooEarly


def _created_meanwhile(batch: Batch) -> tuple[list[Importer], bool]:
    """Read page by page, newest first, back to its first send. Return False if that was too far.

    Importers without a creation time are included, since a key can be configured to hide it.
    """
    persona = client.persona(batch)
    found: list[Importer] = []
    after = ""
    for _ in range(MAX_PAGES):
        if after and rate_limit.reserve(environments.current(), to_send=True):
            raise TooEarly
        page = persona.importers_page(after)
        ahead = environments.gateway().clock_ahead
        begin, end = (moment + ahead for moment in _window(batch))
        found += [row for row in page.faces if begin <= (row.created_at or begin) <= end]
        if page.next is None or (page.oldest and page.oldest < begin):
            return found, True
        after = page.next
    return found, False
