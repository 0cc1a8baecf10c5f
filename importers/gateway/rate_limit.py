"""The rate budget: our share of Persona's rate limit, one for all workers, in one row.

Persona limits the requests per minute of all keys of an environment together, and the customer's
live identity checks share that limit (https://docs.withpersona.com/rate-limiting). We use at most
PERSONA_RATE_SHARE of it in any 60 seconds and stop while less than 15 % remains. A share of 1
states that nobody else needs the limit, so then we continue until nothing remains. Two percent of
the budget is reserved for polling, so that batches at Persona are followed while many wait to be
sent. All times are by the database's clock.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from importers.models import Gateway
from importers.models.clock import from_now
from importers.persona.responses import RateLimit

TICKS = 10  # per second
TRIAL = timedelta(seconds=30)  # the breaker, once half-open, lets one request through in each
FLOOR = 0.15  # of Persona's limit: left to the customer's live checks
PART_FOR_POLLS = 0.02  # of our share


@dataclass(frozen=True)
class Budget:
    """Our requests in the last minute, how many we may make, and when the next one is free."""

    used: int
    allowed: int
    limit: int
    free_in: timedelta = field(default=timedelta(), compare=False)


def window() -> timedelta:
    """Return the time that Persona's limit applies to: a minute, unless a test shortens it."""
    return timedelta(seconds=settings.PERSONA_RATE_WINDOW_SECONDS)


def reserve(environment: str, *, to_send: bool = False) -> timedelta:
    """Reserve one request. Return zero, or how long to wait before asking again."""
    with transaction.atomic():
        gateway = _locked(environment)
        now = gateway.now
        if to_send and gateway.paused_at:  # a pause does not stop polling
            return window()
        if gateway.retry_at and gateway.retry_at > now:
            return gateway.retry_at - now
        recent = _recent(gateway)
        allowed = _allowed_to_send(gateway) if to_send else _allowed(gateway)
        if sum(recent.values()) >= allowed:
            return _until_one_expires(recent, now)
        if gateway.rate_resets_at and gateway.rate_resets_at > now and _is_scarce(gateway):
            return gateway.rate_resets_at - now
        tick = _tick(now)
        gateway.recent = recent | {tick: recent.get(tick, 0) + 1}
        # While the breaker is open, this request is the trial and the others wait for its outcome.
        gateway.retry_at = now + TRIAL if gateway.problem else None
        gateway.save(update_fields=["recent", "retry_at"])
    return timedelta()


def release(environment: str) -> None:
    """Return a request that was reserved but not made."""
    with transaction.atomic():
        gateway = _locked(environment)
        recent = _recent(gateway)
        if recent:
            recent[max(recent)] -= 1
            gateway.recent = {then: count for then, count in recent.items() if count}
            gateway.save(update_fields=["recent"])


def reserve_poll(environment: str, spacing: timedelta) -> bool:
    """Reserve the next poll. Return False if a worker polled within its `spacing`."""
    # Of workers that find it due at once, only one gets its UPDATE through.
    gateway = Gateway.objects.filter(environment=environment)
    return bool(gateway.exclude(next_poll_at__gt=Now()).update(next_poll_at=from_now(spacing)))


def poll_spacing(environment: str) -> timedelta:
    """Return how far apart polls must be to use no more than their part of the budget."""
    return window() / (PART_FOR_POLLS * budget(environment).allowed)


def learn(environment: str, reported: RateLimit) -> None:
    """Store the limit that Persona reported. Answers may overtake each other: the lowest counts."""
    remaining = max(reported.remaining, 0)
    is_older = Q(rate_resets_at__gt=Now(), rate_remaining__lt=remaining)
    reset = from_now(timedelta(seconds=max(reported.reset_seconds, 0)))
    Gateway.objects.filter(environment=environment).update(
        rate_limit=max(reported.limit, 1),
        rate_remaining=Case(When(is_older, then=F("rate_remaining")), default=remaining),
        rate_resets_at=Case(When(is_older, then=F("rate_resets_at")), default=reset),
    )


def budget(environment: str) -> Budget:
    """Return the budget as it stands. Reading it writes nothing."""
    gateway = Gateway.objects.with_now().filter(environment=environment).first()
    if gateway is None:
        unused = Gateway()
        return Budget(0, _allowed(unused), unused.rate_limit)
    recent = _recent(gateway)
    free_in = _until_one_expires(recent, gateway.now) if recent else timedelta()
    return Budget(sum(recent.values()), _allowed(gateway), gateway.rate_limit, free_in)


def _locked(environment: str) -> Gateway:
    rows = Gateway.objects.with_now().select_for_update().filter(environment=environment)
    gateway = rows.first()
    if gateway is None:
        Gateway.objects.get_or_create(environment=environment)
        gateway = rows.get()
    return gateway


def _recent(gateway: Gateway) -> dict[int, int]:
    """Return our requests of the last minute, by tick.

    `now` was read before the row was locked, so another worker's tick may lie a little ahead.
    One that lies far ahead was written before the clock was set back and no longer counts.
    """
    tick = _tick(gateway.now)
    ticks = settings.PERSONA_RATE_WINDOW_SECONDS * TICKS
    requests = {int(then): count for then, count in gateway.recent.items()}
    return {then: count for then, count in requests.items() if abs(then - tick) <= ticks}


def _tick(moment: datetime) -> int:
    return int(moment.timestamp() * TICKS)


def _until_one_expires(recent: dict[int, int], now: datetime) -> timedelta:
    return window() + timedelta(seconds=(min(recent) + 1) / TICKS - now.timestamp())


def _allowed(gateway: Gateway) -> int:
    # At least one, or a small share of a small limit would stop us for good.
    return max(1, int(gateway.rate_limit * settings.PERSONA_RATE_SHARE))


def _allowed_to_send(gateway: Gateway) -> int:
    allowed = _allowed(gateway)
    return max(1, allowed - math.ceil(allowed * PART_FOR_POLLS))


def _is_scarce(gateway: Gateway) -> bool:
    """Return True if what remains of Persona's limit must be left to others."""
    if gateway.rate_remaining is None:
        return False
    least = 1 if settings.PERSONA_RATE_SHARE >= 1 else gateway.rate_limit * FLOOR
    return gateway.rate_remaining < least
