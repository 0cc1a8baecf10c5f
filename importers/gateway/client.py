"""Persona's client for the current environment, with every exchange recorded."""

import logging
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, Value
from django.db.models.functions import Now

from importers.gateway import breaker, environments, rate_limit
from importers.models import Batch, Exchange, Gateway
from importers.persona import client

log = logging.getLogger(__name__)
LOCAL_API_KEY = "persona_sandbox_local"  # the default of Local Persona; it opens nothing else


def persona(batch: Batch | None = None, timeout_seconds: float | None = None) -> client.Client:
    """Return a client that records every exchange, with the batch that it concerns."""
    environment = environments.current()
    return client.Client(
        settings.PERSONA_BASE_URL,
        settings.PERSONA_API_KEY or LOCAL_API_KEY,
        version=settings.PERSONA_VERSION,
        timeout_seconds=timeout_seconds or settings.PERSONA_TIMEOUT_SECONDS,
        on_exchange=lambda exchange: _record(exchange, environment, batch),
    )


def _record(exchange: client.Exchange, environment: str, batch: Batch | None) -> None:
    _log(exchange, batch)
    with transaction.atomic():
        _store(exchange, batch)
        if exchange.rate_limit:
            rate_limit.learn(environment, exchange.rate_limit)
        if exchange.date:
            _compare_clocks(environment, exchange.date)
        breaker.note(exchange, environment)


def _store(exchange: client.Exchange, batch: Batch | None) -> None:
    error = exchange.error
    Exchange.objects.create(
        milliseconds=round(exchange.seconds * 1000),
        method=exchange.method,
        path=exchange.path[:300],  # an ID may need twelve characters for each of its own
        status=exchange.status,
        request_id=exchange.request_id,
        error_title=error.title or error.summary if error else "",
        error_detail=error.detail if error else "",
        batch=batch,
    )


def _compare_clocks(environment: str, date: datetime) -> None:
    """Note how far Persona's clock is ahead of the database's.

    This is accurate to a second or two: the `Date` header has whole seconds, and the answer took
    a moment to arrive.
    """
    ahead = ExpressionWrapper(Value(date, DateTimeField()) - Now(), DurationField())
    Gateway.objects.filter(environment=environment).update(clock_ahead=ahead)


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
