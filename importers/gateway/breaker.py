"""The breaker: stops sending while Persona is in trouble, so that few batches are ever in doubt.

Open: a request failed, or its outcome is unknown. A failed send stops all sends; a failed read
stops every request. Half-open: from `retry_at` on, one request at a time is let through as a
trial. Closed: the trial was answered, and if sends had failed, it was a send and no batch is in
doubt. Answers to requests that left before the breaker opened close nothing.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from importers.gateway import environments
from importers.models import Batch, Exchange, Gateway, Problem
from importers.models.clock import from_now
from importers.persona import client, errors

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5.0, 60.0
ASK_AGAIN = timedelta(seconds=1)
# A worker that starts may have the corrected key or address.
CURED_BY_A_RESTART = (Problem.KEY_REFUSED, Problem.UNREACHABLE)
CLOSED = {
    "problem": "",
    "problem_detail": "",
    "problem_since": None,
    "failures": 0,
    "retry_at": None,
    "trial": None,
    "sends_fail": False,
    "reads_fail": False,
}


def longest_request() -> timedelta:
    """Return how long a request may take in all: to connect, to leave, and to be answered."""
    return timedelta(seconds=2 * settings.PERSONA_TIMEOUT_SECONDS + 30)


def stops(gateway: Gateway, *, to_send: bool) -> bool:
    """Return True if requests of this kind are stopped, except for one trial at a time."""
    return gateway.reads_fail or (to_send and gateway.sends_fail)


def is_trial(exchange: Exchange) -> bool:
    return Gateway.objects.filter(trial=exchange).exists()


def wait(gateway: Gateway, now: datetime) -> timedelta:
    """Return zero if a trial may go now, or how long to wait before asking again."""
    if gateway.retry_at and gateway.retry_at > now:
        return gateway.retry_at - now
    trial = gateway.trial
    if trial and trial.ended_at is None and trial.began_at > now - longest_request():
        return ASK_AGAIN
    return timedelta()


def note(outcome: client.Exchange, exchange: Exchange) -> None:
    """Open or close the breaker according to the outcome of a request."""
    is_send = outcome.method == "POST"
    match outcome.error:
        case errors.KeyRefused() if _concerns_lists_only(outcome):
            return
        case errors.ServerTrouble() | errors.Unreadable() if _concerns_one_importer(outcome):
            return
        case errors.KeyRefused() as error:
            _open(exchange, Problem.KEY_REFUSED, error, is_send=is_send)
        case errors.RateLimited() as error:
            _open(exchange, Problem.RATE_LIMITED, error, is_send=is_send)
        case errors.NoAnswer() as error:
            _open(exchange, Problem.UNREACHABLE, error, is_send=is_send)
        case errors.ServerTrouble() | errors.Unreadable() as error:
            _open(exchange, Problem.SERVER_TROUBLE, error, is_send=is_send)
        case _:  # any other answer, even a refusal, shows that Persona works
            _close(exchange, is_send=is_send)


def try_now() -> None:
    """Allow the next trial at once, if what failed may have been corrected by a restart."""
    opened = Gateway.objects.filter(environment=environments.current())
    opened.filter(problem__in=CURED_BY_A_RESTART).update(retry_at=None)


def _concerns_lists_only(outcome: client.Exchange) -> bool:
    """A key may be allowed to import faces and yet not to read lists: that stops no sending."""
    return outcome.status == 403 and outcome.path.startswith("/lists")


def _concerns_one_importer(outcome: client.Exchange) -> bool:
    """Persona may fail on a single importer for good: that says nothing about the others."""
    return outcome.path.startswith("/importers/")


def _open(
    exchange: Exchange, problem: Problem, error: errors.PersonaError, *, is_send: bool
) -> None:
    rows = Gateway.objects.filter(environment=exchange.environment)
    gateway = rows.get()
    rows.update(
        problem=problem,
        problem_detail=error.words,
        problem_since=Coalesce(F("problem_since"), Now()),
        **{"sends_fail" if is_send else "reads_fail": True},
    )
    if isinstance(error, errors.RateLimited) and error.wait_seconds is not None:
        seconds: float = error.wait_seconds
    elif gateway.problem and gateway.trial_id != exchange.pk:
        return  # it left before the breaker opened, so it says no more than the first failure
    else:
        seconds = min(FIRST_WAIT_SECONDS * 2 ** min(gateway.failures, 10), LONGEST_WAIT_SECONDS)
    rows.update(failures=F("failures") + 1, retry_at=from_now(timedelta(seconds=seconds)))


def _close(exchange: Exchange, *, is_send: bool) -> None:
    """Close the breaker after an answered trial.

    If sends had failed, an answered read allows only reads again, and while a batch is in doubt,
    one send follows another, so that only batches that were sent together are in doubt together.
    """
    tried = Gateway.objects.filter(trial=exchange)
    if not tried.exists():  # nearly always, for the breaker is closed
        return
    batches = Batch.objects.of_environment(exchange.environment).exclude(exchanges=exchange)
    if not is_send or batches.in_doubt().exists():
        opened = tried.filter(sends_fail=True)
        opened.update(reads_fail=False, retry_at=None, trial=None, failures=0)
    tried.update(**CLOSED)
