"""Persona's client for the current environment, with every exchange recorded."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from importers.gateway import breaker, environments, rate_limit
from importers.models import Batch, Exchange, Gateway
from importers.persona import client, deadline

log = logging.getLogger(__name__)
COMPARE_EVERY = timedelta(hours=1)  # clocks drift
LOCAL_API_KEY = "persona_sandbox_local"  # the default of Local Persona; it opens nothing else


def persona(batch: Batch | None = None, timeout_seconds: float | None = None) -> client.Client:
    """Return a client for one read within our share. Raises NoRequestLeft."""
    exchange = rate_limit.reserve(environments.current())
    return reserved(exchange, batch, timeout_seconds)


def reserved(
    exchange: Exchange,
    batch: Batch | None = None,
    timeout_seconds: float | None = None,
    began: float | None = None,
) -> client.Client:
    """Return a client for the one request that was reserved; `batch` is what it concerns.

    The time that the request may take counts from `began`, if that is given.
    """
    return client.Client(
        settings.PERSONA_BASE_URL,
        settings.PERSONA_API_KEY or LOCAL_API_KEY,
        version=settings.PERSONA_VERSION,
        timeout_seconds=timeout_seconds or settings.PERSONA_TIMEOUT_SECONDS,
        began=began,
        on_exchange=lambda outcome: _record(outcome, exchange, batch),
    )


def _record(outcome: client.Exchange, exchange: Exchange, batch: Batch | None) -> None:
    _log(outcome, batch)
    with transaction.atomic():
        _store(outcome, exchange, batch)
        if outcome.rate_limit:
            rate_limit.learn(exchange.environment, outcome.rate_limit)
        if outcome.date:
            _compare_clocks(exchange.environment, outcome.date, outcome.began)
        breaker.note(outcome, exchange)


def _store(outcome: client.Exchange, exchange: Exchange, batch: Batch | None) -> None:
    error = outcome.error
    Exchange.objects.filter(pk=exchange.pk).update(
        ended_at=Now(),
        method=outcome.method,
        path=outcome.path[:300],  # an ID may need twelve characters for each of its own
        status=outcome.status,
        request_id=outcome.request_id,
        error_title=error.title or error.summary if error else "",
        error_detail=error.detail if error else "",
        batch=batch,
    )


def _compare_clocks(environment: str, date: datetime, began: float) -> None:
    """Note the least and the most that Persona's clock can be ahead of the database's.

    An answer was dated, in whole seconds, at some moment since its request began. Many answers
    tell the difference to a fraction of a second; it is measured anew if a clock was set.
    """
    rows = Gateway.objects.with_now().filter(environment=environment)
    gateway = rows.get()
    # Not the duration of the exchange: recording it may have waited for a lock.
    most = date + timedelta(seconds=1 + deadline.now() - began) - gateway.now
    least = date - gateway.now
    values: dict[str, Any] = {"clocks_compared_at": gateway.now}
    if gateway.clocks_compared_at and gateway.now - gateway.clocks_compared_at < COMPARE_EVERY:
        known_least, known_most = gateway.clock_ahead
        if most >= known_least and least <= known_most:  # otherwise a clock was set in between
            least, most, values = max(least, known_least), min(most, known_most), {}
            if (least, most) == (known_least, known_most):
                return
    rows.update(clock_ahead_least=least, clock_ahead_most=most, **values)


def _log(exchange: client.Exchange, batch: Batch | None) -> None:
    """Log each send and each failure, but a successful read only at DEBUG."""
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
