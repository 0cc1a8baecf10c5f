"""Policy: what happens to a batch after each answer. Pure functions, one case for each outcome.

A batch that may have arrived is only sent again under the key that it was sent under, because
that keeps Persona from importing it twice (https://docs.withpersona.com/idempotence). Before it
gets another key, recovery searches Persona for its importer.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from importers.models import Attempt, Batch, Problem
from importers.persona import errors
from importers.persona.responses import Importer

State = Batch.State
LONGEST_DELAY_SECONDS = 300
MOST_TRIES = 3  # under one key, before Persona is searched
MOST_TRIES_IF_AMBIGUOUS = 6  # under one key, before a person is asked
MOST_DEATHS = 3  # of workers in a row, while they sent one batch
MOST_DOUBTS = 10  # of one batch, while Persona accepts others
FIRST_POLL = timedelta(seconds=2)
# How long Persona may still create an importer after a send has ended: an application that has
# answered is done, but one behind a lost connection or a gateway's error may still be at work.
ANSWERED, LOST = timedelta(seconds=10), timedelta(seconds=60)
_WORKERS_DIED = f"The last {MOST_DEATHS} workers that sent this batch stopped unexpectedly."
NEVER_ARRIVED = (Problem.UNREACHABLE, Problem.KEY_REFUSED, Problem.RATE_LIMITED)


@dataclass(frozen=True)
class Before:
    """A batch before the attempt: sends so far, whether one may have arrived, its last problem.

    `tries` and `doubts` count the sends without a clear answer, under its key and under any.
    """

    attempts: int = 1
    may_have_arrived: bool = False
    problem: str = ""
    tries: int = 0
    doubts: int = 0

    @classmethod
    def of(cls, batch: Batch) -> "Before":
        keys = batch.sends.filter(may_have_arrived=True).values_list("key", flat=True)
        doubts = list(keys) if batch.may_have_arrived or batch.attempts > 1 else []
        tries = doubts.count(batch.key) if doubts else 0
        return cls(batch.attempts, batch.may_have_arrived, batch.problem, tries, len(doubts))

    @property
    def waiting(self) -> Batch.State:
        """The state to wait in if this attempt had no effect."""
        return State.UNKNOWN if self.may_have_arrived else State.QUEUED

    @property
    def delay(self) -> timedelta:
        """How long to wait before the next attempt: twice as long each time, to a limit."""
        return timedelta(seconds=min(2 ** min(self.attempts, 10), LONGEST_DELAY_SECONDS))


@dataclass(frozen=True)
class Step:
    """The state to move to, why (a code and a sentence), and when and how to continue."""

    state: Batch.State
    problem: str
    sentence: str
    delay: timedelta = timedelta()
    may_have_arrived: bool = False
    new_key: bool = False
    recover_first: bool = False
    holds_list: bool = False

    @property
    def settles_in(self) -> timedelta:
        """How long after this send Persona may still create its importer."""
        return ANSWERED if self.problem == Problem.SERVER_TROUBLE else LOST

    @property
    def never_arrived(self) -> bool:
        """Return True if this particular send had no effect. An earlier one may have had one."""
        return self.problem in NEVER_ARRIVED


@dataclass(frozen=True)
class Outcome:
    """The outcome for a batch in hand: the importer that Persona created, or the next step.

    `attempt` is None if no request was made. Without a step, the batch waits for the next turn.
    """

    importer: Importer | None = None
    step: Step | None = None
    attempt: Attempt | None = None


def after(error: errors.PersonaError, before: Before) -> Step:
    """Return the step after a send that ended in `error`."""
    match error:
        case errors.NotConnected():
            return _gateway_is_down(Problem.UNREACHABLE, error, before)
        case errors.NoAnswer() | errors.ServerTrouble(status=408):
            return _try_key_again(Problem.NO_ANSWER, error, before)
        # Persona stores its own 5xx and replays it under the same key, so one more try is enough.
        # A gateway's 5xx has no request ID and is not stored, so the same key may still tell.
        case errors.ServerTrouble() | errors.Unreadable() if error.request_id:
            if before.problem == Problem.SERVER_TROUBLE:
                return _to_recover(Problem.SERVER_TROUBLE, error.sentence)
            return _in_doubt(Problem.SERVER_TROUBLE, error.sentence)
        case errors.ServerTrouble() | errors.Unreadable():
            return _try_key_again(Problem.GATEWAY_TROUBLE, error, before)
        case errors.Conflict():
            return _to_recover(Problem.CONFLICT, error.sentence)
        case errors.KeyRefused():
            return _gateway_is_down(Problem.KEY_REFUSED, error, before)
        case errors.RateLimited():
            return _gateway_is_down(Problem.RATE_LIMITED, error, before)
        # Only Persona's own refusal, which has a request ID, says anything about an earlier send.
        case errors.Refused() if error.request_id or not before.may_have_arrived:
            return _refused(error, before)
        case _:  # a refusal by a proxy, or an unknown error
            step = _in_doubt(Problem.NO_CLEAR_ANSWER, error.sentence)
            return replace(step, delay=before.delay)


def _gateway_is_down(problem: Problem, error: errors.PersonaError, before: Before) -> Step:
    """This send had no effect. The batch stays as it was, and the breaker decides when to try."""
    arrived = before.may_have_arrived
    return Step(before.waiting, problem, error.sentence, may_have_arrived=arrived)


def _try_key_again(problem: Problem, error: errors.PersonaError, before: Before) -> Step:
    """The same key may still tell whether it arrived, but one batch must not stop all others."""
    enough = before.tries + 1 >= MOST_TRIES
    return (_to_recover if enough else _in_doubt)(problem, error.sentence)


def _in_doubt(problem: Problem, sentence: str) -> Step:
    """It may have arrived: send the same bytes under the same key. The breaker decides when."""
    return Step(State.UNKNOWN, problem, sentence, may_have_arrived=True)


def _to_recover(problem: Problem, sentence: str) -> Step:
    """It may have arrived, and the same key cannot tell: recovery finds out.

    Recovery waits until Persona must have created the importer, if it ever does.
    """
    step = replace(_in_doubt(problem, sentence), recover_first=True)
    return replace(step, delay=step.settles_in)


def _refused(error: errors.Refused, before: Before) -> Step:
    """Persona executed nothing, now or before: another key is safe."""
    if isinstance(error, errors.KeyReused):  # its key was used for other bytes
        arrived = before.may_have_arrived
        return Step(State.FAILED, Problem.KEY_REUSED, error.sentence, may_have_arrived=arrived)
    if isinstance(error, errors.NotFound):  # the list is all that the request refers to
        return _list_is_refused(Problem.LIST_UNKNOWN, error)
    # A key's own setting may spell names with underscores.
    if "list-id" in error.pointer.replace("_", "-"):
        return _list_is_refused(Problem.LIST_REFUSED, error)
    return Step(State.FAILED, Problem.REFUSED, error.sentence)


def _list_is_refused(problem: Problem, error: errors.Refused) -> Step:
    # Under the old key, Persona would replay the refusal even when the list accepts images again.
    return Step(State.QUEUED, problem, error.sentence, new_key=True, holds_list=True)


def workers_died() -> Step:
    """Return the step after too many deaths of workers that sent this batch: recover it."""
    sentence = f"{_WORKERS_DIED} We are checking whether it arrived."
    return _to_recover(Problem.WORKERS_DIED, sentence)


def not_found_at_persona(before: Before, *, key_lives: bool, others_accepted: bool) -> Step:
    """Return the step after a recovery that found no importer.

    `others_accepted` is True if Persona has accepted another batch since the first send under
    the key.
    """
    if before.problem == Problem.CONFLICT and key_lives:
        sentence = "Persona is still processing the same request. We will check again."
        delay = before.delay
        return Step(State.UNKNOWN, Problem.CONFLICT, sentence, delay, may_have_arrived=True)
    if before.problem == Problem.WORKERS_DIED:
        sentence = f"{_WORKERS_DIED} It is not at Persona. Retry it once you know why."
        return Step(State.FAILED, Problem.WORKERS_DIED, sentence, new_key=True)
    if before.doubts >= MOST_DOUBTS and others_accepted:
        sentence = (
            f"Persona gave no clear answer to {before.doubts} attempts, while it accepted other "
            "batches. This batch is not at Persona."
        )
        return Step(State.FAILED, Problem.KEEPS_FAILING, sentence, new_key=True)
    sentence = "Persona has no import that could be this batch. It is sent again under a new key."
    # Others come first, in case it is this batch on which Persona fails.
    return Step(State.QUEUED, Problem.NOT_ARRIVED, sentence, before.delay, new_key=True)


def same_key_may_tell(before: Before, *, key_lives: bool) -> bool:
    """Return True if sending an ambiguous batch again under its key may show that it arrived.

    Persona replays an importer that it made. Of its own 5xx it only replays that.
    """
    is_open = before.problem in (Problem.NO_ANSWER, Problem.GATEWAY_TROUBLE, Problem.CONFLICT)
    return key_lives and is_open and before.tries < MOST_TRIES_IF_AMBIGUOUS


def ask_again(before: Before) -> Step:
    """Return the step after a recovery that leaves it to the same key."""
    sentence = "Persona's answer was lost. The batch is sent again under the same key."
    return Step(State.UNKNOWN, before.problem, sentence, before.delay, may_have_arrived=True)


def ambiguous(before: Before, *, all_read: bool) -> Step:
    """Return the step after a recovery that cannot tell which importer belongs to the batch."""
    sentence = (
        "Persona's answer was lost, and we could not confirm which Persona import belongs to this "
        "batch. Choose the right one to continue."
    )
    if before.problem == Problem.RESTORED:
        sentence = (
            "The database was restored from a backup, and this batch may have been sent since. "
            "Choose the Persona import that belongs to it, if any, to continue."
        )
    if not all_read:
        sentence += " Too many imports were created at that time to list them all."
    return Step(State.FAILED, Problem.AMBIGUOUS, sentence, may_have_arrived=True)


def unreadable(sentence: str, before: Before, *, missing: bool) -> Step:
    """Return the step if an image could not be read from storage, so that nothing was sent."""
    arrived = before.may_have_arrived
    if missing:
        return Step(State.FAILED, Problem.IMAGE_MISSING, sentence, may_have_arrived=arrived)
    problem, delay = Problem.STORAGE_UNREADABLE, before.delay
    return Step(
        before.waiting,
        problem,
        sentence,
        delay,
        may_have_arrived=arrived,
        recover_first=arrived,  # sending again cannot tell now, so recovery finds out
    )


def seal_is_broken(sentence: str, before: Before) -> Step:
    """Return the step if the bytes are not those that were attested: they are not sent."""
    arrived = before.may_have_arrived
    return Step(State.FAILED, Problem.SEAL_BROKEN, sentence, may_have_arrived=arrived)


def not_approved(sentence: str, before: Before) -> Step:
    """Return the step if no approval of the import is in force: it is not sent."""
    arrived = before.may_have_arrived
    return Step(State.FAILED, Problem.NOT_APPROVED, sentence, may_have_arrived=arrived)


def importer_is_claimed(importer_id: str) -> Step:
    """Return the step if Persona answers with an importer that another batch has."""
    sentence = f"Persona answered with importer {importer_id}, which belongs to another batch."
    return Step(State.FAILED, Problem.IMPORTER_TAKEN, sentence, may_have_arrived=True)
