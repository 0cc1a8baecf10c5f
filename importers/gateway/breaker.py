"""The breaker: stops all sending while Persona is in trouble, then resumes.

Open: the key was refused, Persona could not be reached, or the rate limit was reached; no worker
sends or polls. Half-open: from `retry_at` on, one request at a time is let through as a trial
(`rate_limit.reserve`). Closed: an answer came, and everything resumes.
"""

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from importers.gateway import environments
from importers.models import Gateway, Problem
from importers.models.clock import from_now
from importers.persona import errors
from importers.persona.client import Exchange

LONGEST_WAIT_SECONDS = 60


def note(exchange: Exchange, environment: str) -> None:
    """Open or close the breaker according to the outcome of a request."""
    match exchange.error:
        case errors.KeyRefused() if _concerns_lists_only(exchange):
            return
        case errors.KeyRefused() as error:
            _open(environment, Problem.KEY_REFUSED, exchange.method, error)
        case errors.RateLimited() as error:
            _open(environment, Problem.RATE_LIMITED, exchange.method, error)
        case errors.NoAnswer() as error:
            _open(environment, Problem.UNREACHABLE, exchange.method, error)
        case _:  # any other answer, even a refusal, shows that Persona can be reached
            _close(environment, exchange.method)


def try_now() -> None:
    """Allow the next trial at once: a worker that starts may have the corrected key."""
    opened = Gateway.objects.filter(environment=environments.current()).exclude(problem="")
    opened.update(retry_at=None)


def _concerns_lists_only(exchange: Exchange) -> bool:
    """A key may be allowed to import faces and yet not to read lists: that stops no sending."""
    return exchange.status == 403 and exchange.path.startswith("/lists")


def _open(environment: str, problem: Problem, method: str, error: errors.PersonaError) -> None:
    failures = Gateway.objects.get_or_create(environment=environment)[0].failures
    seconds: float = min(5 * 2 ** min(failures, 10), LONGEST_WAIT_SECONDS)
    if isinstance(error, errors.RateLimited) and error.wait_seconds is not None:
        seconds = error.wait_seconds
    Gateway.objects.filter(environment=environment).update(
        problem=problem,
        problem_detail=error.words,
        # A 403 can concern one method alone: a key may be allowed to poll but not to import.
        failing_method=method if error.status == 403 else "",
        problem_since=Coalesce(F("problem_since"), Now()),
        failures=F("failures") + 1,
        retry_at=from_now(timedelta(seconds=seconds)),
    )


def _close(environment: str, method: str) -> None:
    """Close the breaker. If sending was forbidden, an answer to a poll does not close it."""
    gateway = Gateway.objects.filter(environment=environment)
    # Nearly every answer finds the breaker closed: then nothing is written.
    if not gateway.exclude(problem="", retry_at=None).exists():
        return
    gateway.filter(failing_method__in=["", method]).exclude(problem="").update(
        problem="", problem_detail="", failing_method="", problem_since=None, failures=0
    )
    gateway.update(retry_at=None)
