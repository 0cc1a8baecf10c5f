"""Our share of Persona's rate limit, common to all workers through one row.

Persona allows a number of requests a minute to all keys of an environment together, and the
customer's live identity checks draw on the same (https://docs.withpersona.com/rate-limiting). We
take at most PERSONA_RATE_SHARE of it, and nothing while less than 15 % is left to anybody. With
a share of 1, which says that nobody else needs it, we go on until nothing is left. A twentieth of
our share is kept from sending, for following what is sent already. Time is the database's.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, QuerySet, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from importers.models import PersonaLine
from importers.persona.answers import RateLimit

WINDOW = timedelta(seconds=60)
TRIAL = timedelta(seconds=30)  # for the one request that tries a line that was down
FLOOR = 0.15
PART_FOR_POLLS = 0.05


@dataclass(frozen=True)
class Share:
    """What we have taken of our share in this window, and when a new one begins."""

    taken: int
    allowed: int
    limit: int
    ends_in: timedelta = field(default=timedelta(), compare=False)


def take(environment: str, *, to_send: bool = False) -> timedelta:
    """Takes one request from our share: zero, or how long to wait before asking again."""
    with transaction.atomic():
        PersonaLine.objects.get_or_create(environment=environment)
        line, now = _and_now(_with_now().select_for_update().get(environment=environment))
        if line.paused_until and line.paused_until > now:
            return line.paused_until - now
        if line.window_ends_at is None or line.window_ends_at <= now:
            line.window_ends_at, line.taken = now + WINDOW, 0
        if line.taken >= (_allowed_to_send(line) if to_send else _allowed(line)):
            return line.window_ends_at - now
        if line.resets_at and line.resets_at > now and _too_little_is_left(line):
            return line.resets_at - now
        line.taken += 1
        line.paused_until = now + TRIAL if line.problem else None
        line.save(update_fields=["window_ends_at", "taken", "paused_until"])
    return timedelta()


def take_turn(environment: str, space: timedelta) -> bool:
    """Whether it is time to ask for importers, for one worker alone; and not before `space`."""
    line = PersonaLine.objects.filter(environment=environment)
    return bool(line.exclude(next_poll_at__gt=Now()).update(next_poll_at=after(space)))


def space_of_polls(environment: str) -> timedelta:
    """How far apart polls are that take no more than their part."""
    return WINDOW / (PART_FOR_POLLS * share(environment).allowed)


def learn(environment: str, told: RateLimit) -> None:
    """Notes what Persona said of the limit on an answer; until the reset, the least is true."""
    remaining = max(told.remaining, 0)
    knows_better = Q(resets_at__gt=Now(), remaining__lt=remaining)  # from a later request
    reset = after(timedelta(seconds=max(told.reset_seconds, 0)))
    PersonaLine.objects.filter(environment=environment).update(
        limit=max(told.limit, 1),
        remaining=Case(When(knows_better, then=F("remaining")), default=remaining),
        resets_at=Case(When(knows_better, then=F("resets_at")), default=reset),
    )


def share(environment: str) -> Share:
    """Reading it writes nothing."""
    row = _with_now().filter(environment=environment).first()
    line, now = _and_now(row) if row else (PersonaLine(), None)
    if now is None or line.window_ends_at is None or line.window_ends_at <= now:
        return Share(0, _allowed(line), line.limit)
    return Share(line.taken, _allowed(line), line.limit, line.window_ends_at - now)


def after(delay: timedelta) -> Combinable:
    """The moment that lies `delay` from now by the database's clock."""
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())


def _with_now() -> QuerySet[Any]:
    """Each line, with the database's `now` beside it."""
    return PersonaLine.objects.annotate(now=ExpressionWrapper(Now(), DateTimeField()))


def _and_now(row: Any) -> tuple[PersonaLine, datetime]:
    return row, row.now


def _allowed(line: PersonaLine) -> int:
    return max(1, int(line.limit * settings.PERSONA_RATE_SHARE))


def _allowed_to_send(line: PersonaLine) -> int:
    allowed = _allowed(line)
    return max(1, allowed - math.ceil(allowed * PART_FOR_POLLS))


def _too_little_is_left(line: PersonaLine) -> bool:
    if line.remaining is None:
        return False
    least = 1 if settings.PERSONA_RATE_SHARE >= 1 else line.limit * FLOOR
    return line.remaining < least
