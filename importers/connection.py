"""Our line to Persona: which environment it is, every exchange recorded, and why it is down.

A line that is down (the key refused, nobody reachable, the limit reached) stops every worker at
once; then one request at a time tries it, so work goes on by itself once the trouble is mended.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Value
from django.db.models.functions import Coalesce, Now

from importers import pacing
from importers.models import Batch, Environment, Exchange, PersonaLine
from importers.persona import client, errors

log = logging.getLogger(__name__)
LOCAL_API_KEY = "persona_sandbox_local"
LONGEST_PAUSE_SECONDS = 60


def environment() -> str:
    """The environment that the settings lead to, by the key's prefix (docs: /api-keys)."""
    if settings.PERSONA_IS_LOCAL:
        return Environment.LOCAL
    if settings.PERSONA_API_KEY.startswith("persona_sandbox_"):
        return Environment.SANDBOX
    if settings.PERSONA_API_KEY.startswith("persona_production_"):
        return Environment.PRODUCTION
    return Environment.UNNAMED


def persona(batch: Batch | None = None, timeout_seconds: float | None = None) -> client.Client:
    """A client of Persona whose every exchange is recorded (beside the batch that it is about)."""
    where = environment()
    return client.Client(
        settings.PERSONA_BASE_URL,
        settings.PERSONA_API_KEY or LOCAL_API_KEY,
        version=settings.PERSONA_VERSION,
        timeout_seconds=timeout_seconds or settings.PERSONA_TIMEOUT_SECONDS,
        on_exchange=lambda exchange: _record(exchange, where, batch),
    )


def line() -> PersonaLine:
    """The line as it stands; reading it writes nothing."""
    where = environment()
    return PersonaLine.objects.filter(environment=where).first() or PersonaLine(environment=where)


def try_at_once() -> None:
    """Ends a pause: a worker that starts may hold the mended key."""
    PersonaLine.objects.filter(environment=environment()).exclude(problem="").update(
        paused_until=None
    )


def _record(exchange: client.Exchange, where: str, batch: Batch | None) -> None:
    _log(exchange, batch)
    with transaction.atomic():
        _keep(exchange, batch)
        if exchange.rate_limit:
            pacing.learn(where, exchange.rate_limit)
        if exchange.date:
            _compare_clocks(where, exchange.date)
        if not _only_lists_are_refused(exchange):
            _note_whether_it_is_up(exchange, where)


def _keep(exchange: client.Exchange, batch: Batch | None) -> None:
    error = exchange.error
    Exchange.objects.create(
        milliseconds=round(exchange.seconds * 1000),
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        request_id=exchange.request_id[:100],
        error_title=error.title or error.summary if error else "",
        error_detail=error.detail if error else "",
        batch=batch,
    )


def _compare_clocks(where: str, date: datetime) -> None:
    """How far Persona's clock is ahead of the database's, to a second and the answer's way here."""
    ahead = ExpressionWrapper(Value(date, DateTimeField()) - Now(), DurationField())
    PersonaLine.objects.filter(environment=where).update(clock_ahead=ahead)


def _note_whether_it_is_up(exchange: client.Exchange, where: str) -> None:
    error = exchange.error
    if isinstance(error, errors.KeyRefused):
        _pause(where, "key_refused", exchange.method, error)
    elif isinstance(error, errors.RateLimited):
        _pause(where, "rate_limited", exchange.method, error)
    elif isinstance(error, errors.NoAnswer):
        _pause(where, "unreachable", exchange.method, error)
    else:
        _clear(where, exchange.method)


def _log(exchange: client.Exchange, batch: Batch | None) -> None:
    """Every send and all trouble; what merely asks and is answered only where DEBUG is logged."""
    routine = exchange.method == "GET" and not exchange.error
    log.log(
        logging.DEBUG if routine else logging.WARNING if exchange.error else logging.INFO,
        *("%s %s: %s", exchange.method, exchange.path, exchange.error or exchange.status),
        extra={
            "batch": batch and batch.pk,
            "request_id": exchange.request_id,
            "status": exchange.status,
            "milliseconds": round(exchange.seconds * 1000),
        },
    )


def _only_lists_are_refused(exchange: client.Exchange) -> bool:
    """A key may be allowed to import faces but not to read lists: the line is not down for that."""
    return exchange.status == 403 and exchange.path.startswith("/lists")


def _pause(where: str, problem: str, method: str, error: errors.PersonaError) -> None:
    failures = PersonaLine.objects.get_or_create(environment=where)[0].failures
    seconds = min(5 * 2 ** min(failures, 10), LONGEST_PAUSE_SECONDS)
    if isinstance(error, errors.RateLimited) and error.wait_seconds is not None:
        seconds = error.wait_seconds
    PersonaLine.objects.filter(environment=where).update(
        problem=problem,
        problem_detail=error.words,
        problem_at=method if error.status == 403 else "",
        problem_since=Coalesce(F("problem_since"), Now()),
        failures=F("failures") + 1,
        paused_until=pacing.after(timedelta(seconds=seconds)),
    )


def _clear(where: str, method: str) -> None:
    """The line is up; but where sending is forbidden, an answer to a poll does not allow it."""
    line = PersonaLine.objects.filter(environment=where)
    if not line.exclude(problem="", paused_until=None).exists():
        return
    line.filter(problem_at__in=["", method]).exclude(problem="").update(
        problem="", problem_detail="", problem_at="", problem_since=None, failures=0
    )
    line.update(paused_until=None)
