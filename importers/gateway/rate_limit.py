"""The rate budget: our share of Persona's rate limit, one for all workers.

Persona limits the requests per minute of all keys of an environment together, and the customer's
live identity checks share that limit (https://docs.withpersona.com/rate-limiting). We use at most
PERSONA_RATE_SHARE of it in any 60 seconds and stop while less than 15 % remains. A share of 1
states that nobody else needs the limit, so then we continue until nothing remains. Two percent of
the budget is reserved for polling, so that batches at Persona are followed while many wait to be
sent.

A request counts from its reservation until a minute after it ended. It reaches Persona between
the two, so no delay on its way can make Persona see more of ours in a minute than our share. All
times are by the database's clock.
"""

import math
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, F, Min, Q, QuerySet, When
from django.db.models.functions import Now

from importers.gateway import breaker
from importers.models import Exchange, Gateway
from importers.models.clock import from_now
from importers.persona.responses import RateLimit

FLOOR = 0.15  # of Persona's limit: left to the customer's live checks
PART_FOR_POLLS = 0.02  # of our share


class NoRequestLeft(Exception):
    """No request may be made for now: try again after `wait`."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("Persona must not be asked now")
        self.wait = wait


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


def reserve(environment: str, *, to_send: bool = False) -> Exchange:
    """Reserve one request. Raises NoRequestLeft."""
    with transaction.atomic():
        gateway = _locked(environment)
        is_trial = breaker.stops(gateway, to_send=to_send)
        wait = breaker.wait(gateway, gateway.now) if is_trial else timedelta()
        if wait := wait or _wait(gateway, to_send=to_send):
            raise NoRequestLeft(wait)
        exchange = Exchange.objects.create(environment=environment)
        if is_trial:
            Gateway.objects.filter(pk=gateway.pk).update(trial=exchange)
    return exchange


def begin(exchange: Exchange) -> Gateway | None:
    """Note that a reserved send leaves now. Return None if sending has been stopped since."""
    rows = Gateway.objects.filter(environment=exchange.environment, paused_at=None)
    gateway = rows.filter(Q(sends_fail=False, reads_fail=False) | Q(trial=exchange)).first()
    counts = Now() - (window() + breaker.longest_request())
    if gateway and Exchange.objects.filter(pk=exchange.pk, began_at__gt=counts).update(
        began_at=Now()
    ):
        return gateway
    return None


def release(exchange: Exchange) -> None:
    """Return a request that was reserved but not made."""
    exchange.delete()


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
    used, free_in = _use(gateway)
    return Budget(used, _allowed(gateway), gateway.rate_limit, free_in)


def _locked(environment: str) -> Gateway:
    rows = Gateway.objects.with_now().select_for_update().filter(environment=environment)
    gateway = rows.first()
    if gateway is None:
        Gateway.objects.get_or_create(environment=environment)
        gateway = rows.get()
    return gateway


def _wait(gateway: Gateway, *, to_send: bool) -> timedelta:
    """Return zero if the budget allows a request now, or how long to wait."""
    if to_send and gateway.paused_at:  # a pause does not stop polling
        return window()
    used, free_in = _use(gateway)
    if used >= (_allowed_to_send(gateway) if to_send else _allowed(gateway)):
        return free_in or breaker.ASK_AGAIN
    if gateway.rate_resets_at and gateway.rate_resets_at > gateway.now and _is_scarce(gateway):
        return gateway.rate_resets_at - gateway.now
    return timedelta()


def _use(gateway: Gateway) -> tuple[int, timedelta]:
    """Return how many requests count, and when the first that has ended no longer does."""
    counted = _counted(gateway).aggregate(used=Count("pk"), first=Min("ended_at"))
    if counted["first"] is None:
        return counted["used"], timedelta()
    return counted["used"], max(counted["first"] + window() - gateway.now, timedelta())


def _counted(gateway: Gateway) -> QuerySet[Exchange]:
    # Times that lie far ahead were written before the clock was set back and no longer count. A
    # request without an end is under way, or its worker died.
    ended = Q(ended_at__gt=gateway.now - window(), ended_at__lt=gateway.now + window())
    under_way = Q(
        ended_at=None,
        began_at__gt=gateway.now - window() - breaker.longest_request(),
        began_at__lt=gateway.now + window(),
    )
    return Exchange.objects.filter(ended | under_way, environment=gateway.environment)


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
