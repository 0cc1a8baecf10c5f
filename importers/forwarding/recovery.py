"""Recovery: find out whether batches in doubt arrived, before any of them gets another key.

It reads Persona's newest importers, back to the first send in question, and weighs all batches in
doubt against those that no batch has claimed (`elimination`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from importers.forwarding import completion, elimination, policy, recording
from importers.forwarding.claims import key_lives
from importers.forwarding.elimination import Ambiguous, Arrived, Doubt, Verdict
from importers.forwarding.policy import Before
from importers.gateway import client, environments, rate_limit
from importers.models import Attempt, Batch, Gateway, Problem
from importers.models.clock import from_now
from importers.persona import errors
from importers.persona.responses import Importer

State = Batch.State
AGAIN_AFTER = timedelta(seconds=15)
CLOCK_MARGIN = timedelta(seconds=1.5)  # beyond the measured error: times may be rounded
COUNTS_ARE_AWAITED = timedelta(minutes=5)
MAX_PAGES = 20  # of a hundred importers each
LEAST_OBSERVED, MOST_OBSERVED = 3, 20  # batches whose counts added up


@dataclass(frozen=True)
class Question:
    """A batch that may own an unclaimed importer, and its sends that may have arrived."""

    batch: Batch
    sends: list[Attempt]

    @property
    def is_recent(self) -> bool:
        """Return True if Persona may still be counting its images."""
        return any(send.began_at > send.now - COUNTS_ARE_AWAITED for send in self.sends)

    @property
    def is_ready(self) -> bool:
        """Return True if nothing can arrive any more, and no send under its key is to come."""
        waits = self.batch.state == State.FAILED or self.batch.recover_first
        return waits and all(send.settled_at and send.settled_at <= send.now for send in self.sends)

    def overlaps(self, other: "Question", apart: timedelta) -> bool:
        """Return True if both could own the same importer."""
        return any(
            two.began_at <= _end(one, apart) + apart and one.began_at <= _end(two, apart) + apart
            for one in self.sends
            for two in other.sends
        )


@dataclass(frozen=True)
class Read:
    """The importers that were read, whether they reach far enough back, and Persona's clock."""

    importers: list[Importer]
    all_read: bool
    gateway: Gateway


def recover() -> bool:
    """Resolve the batches in doubt that sending again cannot. Return False if none is due."""
    environment = environments.current()
    due = _reserve_due(environment)
    if not due:
        return False
    questions, apart = _questions(environment), _apart(environments.gateway())
    groups = _groups(due, questions, apart)
    ready = [group for group in groups if all(one.is_ready for one in group)]
    asked = [question for group in ready for question in group]
    if not asked:
        _note(due, "Checking with Persona.")
        return True
    try:
        read = _read_back_to([send for question in asked for send in question.sends])
        _apply(asked, _decide(questions, read), read)
    except errors.PersonaError as error:
        _note(due, error.words)
    except rate_limit.NoRequestLeft:
        _note(due, "Checking with Persona.")
    return True


def _reserve_due(environment: str) -> set[int]:
    """Return the batches that are due. No other worker gets them until the next search is due."""
    rows = Batch.objects.of_environment(environment).to_recover().order_by()
    due = list(rows.values_list("pk", flat=True))
    if not due:
        return set()
    mine = Batch.objects.to_recover().filter(pk__in=due)
    return set(due) if mine.update(next_attempt_at=from_now(AGAIN_AFTER)) else set()


def _note(batches: Iterable[int], sentence: str) -> None:
    Batch.objects.filter(pk__in=batches, recover_first=True).update(problem_detail=sentence)


def _questions(environment: str) -> list[Question]:
    batches = Batch.objects.of_environment(environment).possibly_at_persona()
    rows = batches.select_related("face_import__face_list").order_by("pk")
    questions = [Question(row, list(row.sends_in_doubt)) for row in rows]
    return [question for question in questions if question.sends or question.batch.recover_first]


def _apart(gateway: Gateway) -> timedelta:
    """Return how far apart two sends must be for Persona's clock to distinguish them."""
    least, most = gateway.clock_ahead
    return most - least + 2 * CLOCK_MARGIN


def _groups(due: set[int], questions: list[Question], apart: timedelta) -> list[list[Question]]:
    """Return each due batch together with those that could own the same importers."""
    rest = list(questions)
    groups = []
    while first := next((one for one in rest if one.batch.pk in due), None):
        group, near = [], [first]
        while near:
            rest = [one for one in rest if one not in near]
            group += near
            near = [one for one in rest if any(one.overlaps(other, apart) for other in near)]
        groups.append(group)
    return groups


def _read_back_to(sends: list[Attempt]) -> Read:
    """Read page by page, newest first. Raises NoRequestLeft, PersonaError.

    Importers without a creation time are included, since a key can be configured to hide it.
    """
    if not sends:  # a late answer has shown that none arrived
        return Read([], True, environments.gateway())
    importers: list[Importer] = []
    after = ""
    for _ in range(MAX_PAGES):
        page = client.persona().importers_page(after)
        importers += page.faces
        gateway = environments.gateway()
        begin = min(_by_personas_clock(send, gateway)[0] for send in sends)
        if page.next is None or (page.oldest and page.oldest < begin):
            return Read(importers, True, gateway)
        after = page.next
    return Read(importers, False, gateway)


def _decide(questions: list[Question], read: Read) -> dict[int, Verdict]:
    claimed = Batch.objects.filter(importer_id__in=[row.id for row in read.importers])
    taken = set(claimed.values_list("importer_id", flat=True))
    unclaimed = [row for row in read.importers if row.id not in taken]
    doubts = [_doubt(question, read) for question in questions]
    return elimination.decide(doubts, unclaimed, counts_add_up=_counts_add_up(read.gateway))


def _doubt(question: Question, read: Read) -> Doubt:
    batch = question.batch
    return Doubt(
        batch.pk,
        batch.image_count,
        tuple(_by_personas_clock(send, read.gateway) for send in question.sends),
        # An import that the backup does not hold could own the importer.
        needs_a_person=not read.all_read or batch.problem == Problem.RESTORED,
    )


def _by_personas_clock(send: Attempt, gateway: Gateway) -> tuple[datetime, datetime]:
    """Return when Persona can have created the importer of a send."""
    least, most = gateway.clock_ahead
    then_least, then_most = send.clock_ahead_least, send.clock_ahead_most
    if (
        then_least is not None
        and then_most is not None
        and (then_most < least or most < then_least)
    ):
        # One of the clocks was set since, perhaps during the send.
        least, most = min(least, then_least), max(most, then_most)
    end = _end(send, _apart(gateway))
    return send.began_at + least - CLOCK_MARGIN, end + most + CLOCK_MARGIN


def _end(send: Attempt, apart: timedelta) -> datetime:
    """Return until when Persona can have created the importer of a send.

    It leaves out the last moments before the send settled: then no batch that is sent afterwards
    can own the same importer.
    """
    if send.ended_at is None or send.settled_at is None:
        return send.now
    return max(send.ended_at, send.settled_at - apart)


def _counts_add_up(gateway: Gateway) -> bool:
    """Return True if Persona's counts equaled the number of images in all recent batches."""
    batches = Batch.objects.of_environment(gateway.environment)
    done = batches.filter(state=State.DONE, importer_among=[]).order_by("-finished_at")
    counted = F("successful_count") + F("duplicate_count") + F("error_count")
    rows = list(done.values_list("image_count", counted)[:MOST_OBSERVED])
    enough = len(rows) >= LEAST_OBSERVED
    return enough and all(image_count == total for image_count, total in rows)


@transaction.atomic
def _apply(asked: list[Question], verdicts: dict[int, Verdict], read: Read) -> None:
    """Record every verdict at once, so that a group of batches stays a group."""
    completion.lock(question.batch.pk for question in asked)
    waiting = [one for one in asked if one.batch.state == State.UNKNOWN]  # not for a person
    unclear = [one for one in waiting if isinstance(verdicts[one.batch.pk], Ambiguous)]
    if _ask_again(unclear):  # what they tell may make the others clear
        waiting = [one for one in waiting if one not in unclear]
    for question in waiting:
        _apply_one(question, verdicts[question.batch.pk], read)


def _ask_again(unclear: list[Question]) -> bool:
    """Send ambiguous batches again under their keys, where that may tell. Return False if none."""
    asked = False
    for batch in (question.batch for question in unclear):
        before = Before.of(batch)
        if policy.same_key_may_tell(before, key_lives=key_lives(batch)):
            recording.step_taken(batch, policy.ask_again(before), batch.resolve)
            asked = True
    return asked


def _apply_one(question: Question, verdict: Verdict, read: Read) -> None:
    batch, before = question.batch, Before.of(question.batch)
    move = batch.resolve
    match verdict:
        case Arrived(importer, among):
            group = list(among) or _group_of(importer)
            recording.importer_found(batch, importer, move, importer_among=group)
        case Ambiguous(is_final=False) if question.is_recent:
            _note([batch.pk], "Waiting for Persona's counts.")
        case Ambiguous(candidates):
            step = policy.ambiguous(before, all_read=read.all_read)
            rows = [_candidate(importer) for importer in candidates]
            recording.step_taken(batch, step, move, candidates=rows)
        case _ if not read.all_read:
            recording.step_taken(batch, policy.ambiguous(before, all_read=False), move)
        case _:
            step = policy.not_found_at_persona(
                before, key_lives=key_lives(batch), others_accepted=_others_accepted(question)
            )
            recording.step_taken(batch, step, move)


def _group_of(importer: Importer) -> list[str]:
    """Return the importers of a group that was matched before without this batch."""
    groups = Batch.objects.exclude(importer_among=[]).values_list("importer_among", flat=True)
    return next((group for group in groups if importer.id in group), [])


def _others_accepted(question: Question) -> bool:
    if not question.sends:
        return False
    environment = question.batch.face_import.face_list.environment
    others = Batch.objects.of_environment(environment).exclude(pk=question.batch.pk)
    return others.filter(accepted_at__gt=question.sends[0].began_at).exists()


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
