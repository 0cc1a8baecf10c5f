"""What to do after a send that did not succeed: a pure function, one row for each answer.

A batch that may have arrived is only ever sent again under the key that it was sent under, for
that is what keeps Persona from importing it twice (https://docs.withpersona.com/idempotence).
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from importers.models import Batch
from importers.persona import errors

State = Batch.State
LONGEST_DELAY_SECONDS = 300


class Scope(Enum):
    """Whom the trouble concerns: this batch, every batch for its list, or all (`connection`)."""

    BATCH = auto()
    LIST = auto()
    LINE = auto()


@dataclass(frozen=True)
class Step:
    """The state to go to, why (a code and a sentence), and when and how to go on from there."""

    state: Batch.State
    problem: str
    sentence: str
    delay: timedelta = timedelta()
    new_key: bool = False
    scope: Scope = Scope.BATCH


def after(error: errors.PersonaError, attempts: int, *, may_have_arrived: bool) -> Step:
    """The step after `attempts` sends of a batch, of which the last ended in `error`.

    `may_have_arrived` tells of the sends before the last one.
    """
    waiting = State.UNKNOWN if may_have_arrived else State.QUEUED
    delay = timedelta(seconds=min(2 ** min(attempts, 10), LONGEST_DELAY_SECONDS))
    said = f"Persona answered {error.status}: {error.words}"
    match error:
        case errors.NotConnected():
            return Step(waiting, "unreachable", error.summary, scope=Scope.LINE)
        case errors.NoAnswer():
            return Step(State.UNKNOWN, "no_answer", error.summary, delay, scope=Scope.LINE)
        case errors.Unreadable() | errors.ServerTrouble() | errors.Conflict():
            return Step(State.UNKNOWN, "no_clear_answer", said, delay)
        case errors.KeyRefused():
            return Step(waiting, "key_refused", said, scope=Scope.LINE)
        case errors.RateLimited():
            return Step(waiting, "rate_limited", said, scope=Scope.LINE)
        case errors.KeyReused():
            return Step(State.FAILED, "key_reused", said)
        case errors.NotFound():
            return Step(State.QUEUED, "list_unknown", said, new_key=True, scope=Scope.LIST)
        case errors.Refused() if "list-id" in error.pointer.replace("_", "-"):
            return Step(State.QUEUED, "list_refused", said, new_key=True, scope=Scope.LIST)
        case _:
            return Step(State.FAILED, "refused", said)
