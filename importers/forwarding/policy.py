"""What to do after a send or a look that did not succeed: pure functions, a row for each outcome.

A batch that may have arrived is only ever sent again under the key that it was sent under, for
that is what keeps Persona from importing it twice (https://docs.withpersona.com/idempotence).
Before it gets another key, its importer is looked for at Persona.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

from importers.models import Batch
from importers.persona import errors

State = Batch.State
LONGEST_DELAY_SECONDS = 300
CLOCKS_DIFFER_AT_MOST = timedelta(seconds=60)
LOOK_AGAIN_AFTER = timedelta(seconds=15)
SERVER_TROUBLE, CONFLICT = "server_trouble", "conflict"
AMBIGUOUS = Batch.AMBIGUOUS
RESTORED = "restored"
HELD = ("unreachable", "key_refused", "rate_limited")


class Scope(Enum):
    """Whom the trouble concerns: this batch, every batch for its list, or all (`connection`)."""

    BATCH = auto()
    LIST = auto()
    LINE = auto()


@dataclass(frozen=True)
class Before:
    """How a batch stood before: sends so far, whether one may have arrived, the last problem."""

    attempts: int = 1
    may_have_arrived: bool = False
    problem: str = ""

    @property
    def waiting(self) -> Batch.State:
        """The state to wait in where this attempt came to nothing."""
        return State.UNKNOWN if self.may_have_arrived else State.QUEUED


@dataclass(frozen=True)
class Step:
    """The state to go to, why (a code and a sentence), and when and how to go on from there."""

    state: Batch.State
    problem: str
    sentence: str
    delay: timedelta = timedelta()
    scope: Scope = Scope.BATCH
    may_have_arrived: bool = False
    new_key: bool = False
    look_first: bool = False

    @property
    def is_held(self) -> bool:
        """Whether this very send surely came to nothing, whatever became of those before it."""
        return self.problem in HELD


def after(error: errors.PersonaError, before: Before) -> Step:
    """The step after a send that ended in `error`."""
    said = f"Persona answered {error.status}: {error.words}"
    held = _held(before, said)
    unknown = Step(State.UNKNOWN, "no_clear_answer", said, _delay(before), may_have_arrived=True)
    look = replace(unknown, delay=CLOCKS_DIFFER_AT_MOST, look_first=True)
    match error:
        case errors.NotConnected():
            return replace(held, problem="unreachable", sentence=error.summary)
        case errors.NoAnswer():
            return replace(unknown, problem="no_answer", sentence=error.summary, scope=Scope.LINE)
        case errors.ServerTrouble(status=408):
            return replace(unknown, problem="no_answer")
        case errors.ServerTrouble() | errors.Unreadable():
            again = look if before.problem == SERVER_TROUBLE else unknown
            return replace(again, problem=SERVER_TROUBLE)
        case errors.Conflict():
            return replace(look, problem=CONFLICT)
        case errors.KeyRefused():
            return replace(held, problem="key_refused")
        case errors.RateLimited():
            return replace(held, problem="rate_limited")
        case errors.Refused() if error.request_id or not before.may_have_arrived:
            return _after_refusal(error, said, held)
        case _:  # not Persona's own word (a gateway's), or none that we know
            return unknown


def _held(before: Before, said: str) -> Step:
    """This send came to nothing; the batch stays as it was and goes on when the line is up."""
    arrived = before.may_have_arrived
    return Step(before.waiting, "", said, scope=Scope.LINE, may_have_arrived=arrived)


def _after_refusal(error: errors.Refused, said: str, held: Step) -> Step:
    """Persona carried nothing out, now or before: another key is safe."""
    if isinstance(error, errors.KeyReused):  # other bytes went under it before: perhaps our own
        return replace(held, state=State.FAILED, problem="key_reused", scope=Scope.BATCH)
    refused_list = Step(State.QUEUED, "list_refused", said, scope=Scope.LIST, new_key=True)
    if isinstance(error, errors.NotFound):
        return replace(refused_list, problem="list_unknown")
    if "list-id" in error.pointer.replace("_", "-"):
        return refused_list
    return Step(State.FAILED, "refused", said)


def after_look(before: Before, *, arrived: bool, key_lives: bool, all_read: bool = True) -> Step:
    """The step after a look that found nothing, or (`arrived`) that may have found it."""
    if arrived:
        sentence = (
            "It was sent without a clear answer, and it can't be told for sure which import at "
            "Persona is its own. Nothing more is done with it until a person says which."
        )
        if before.problem == RESTORED:
            sentence = (
                "The database was restored from a backup, and this batch may have been sent since. "
                "Nothing more is done with it until a person says which import is its own, if any."
            )
        if not all_read:
            sentence += " More were made in that time than Consentry reads: not all are shown."
        return Step(State.FAILED, AMBIGUOUS, sentence, may_have_arrived=True)
    if before.problem == CONFLICT and key_lives:
        sentence = "Persona is still at work on the same request: it is asked again."
        return Step(State.UNKNOWN, CONFLICT, sentence, _delay(before), may_have_arrived=True)
    sentence = "Persona has no import that could be it: it is sent again under a new key."
    return Step(State.QUEUED, "not_arrived", sentence, new_key=True)


def after_unreadable(sentence: str, before: Before, *, missing: bool) -> Step:
    """The step where an image could not be read from storage, so that nothing was sent now."""
    arrived = before.may_have_arrived
    if missing:
        return Step(State.FAILED, "image_missing", sentence, may_have_arrived=arrived)
    delay = _delay(before)
    return Step(before.waiting, "storage_unreadable", sentence, delay, may_have_arrived=arrived)


def given_back(before: Before) -> Step:
    """The step where the worker is told to stop before the batch went out."""
    return Step(before.waiting, before.problem, "", may_have_arrived=before.may_have_arrived)


def seal_is_broken(sentence: str, before: Before) -> Step:
    """The step where the bytes are not those that were attested: they are not sent."""
    return Step(State.FAILED, "seal_broken", sentence, may_have_arrived=before.may_have_arrived)


def importer_is_taken(importer_id: str) -> Step:
    """The step where Persona answers with an importer that another batch has."""
    sentence = f"Persona answered with importer {importer_id}, which another batch already has."
    return Step(State.FAILED, "importer_taken", sentence, may_have_arrived=True)


def look_later(sentence: str, before: Before) -> Step:
    """The step where a look could not tell yet."""
    return Step(
        State.UNKNOWN,
        before.problem or "no_answer",
        sentence,
        LOOK_AGAIN_AFTER,
        may_have_arrived=True,
        look_first=True,
    )


def _delay(before: Before) -> timedelta:
    return timedelta(seconds=min(2 ** min(before.attempts, 10), LONGEST_DELAY_SECONDS))
