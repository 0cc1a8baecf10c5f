"""Our share of Persona's rate limit, common to all workers through one row.

Persona allows a number of requests a minute to all keys of an environment together, and the
customer's live identity checks draw on the same (https://docs.withpersona.com/rate-limiting). In
whatever 60 seconds we take at most PERSONA_RATE_SHARE of it, and nothing while less than 15 % is
left to anybody; with a share of 1, which says that nobody else needs it, we go on until nothing is
left. A fiftieth of our share is kept from sending, for following what is sent already. Time is the
database's.
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

SECONDS, TICKS = 60, 10  # ticks of a second
WINDOW = timedelta(seconds=SECONDS)
TRIAL = timedelta(seconds=30)  # for the one request that tries a line that was down
FLOOR = 0.15
PART_FOR_POLLS = 0.02


@dataclass(frozen=True)
class Share:
    """What we have taken of our share within the last minute, and when some of it is free again."""

    taken: int
    allowed: int
    limit: int
    free_in: timedelta = field(default=timedelta(), compare=False)


def take(environment: str, *, to_send: bool = False) -> timedelta:
    """Takes one request from our share: zero, or how long to wait before asking again."""
    with transaction.atomic():
        line, now = _locked(environment)
        if to_send and line.halted_at:
            return WINDOW
        if line.paused_until and line.paused_until > now:
            return line.paused_until - now
        recent = _recent(line, now)
        if sum(recent.values()) >= (_allowed_to_send(line) if to_send else _allowed(line)):
            return _until_one_leaves(recent, now)
        if line.resets_at and line.resets_at > now and _too_little_is_left(line):
            return line.resets_at - now
        tick = _tick(now)
        line.recent = recent | {tick: recent.get(tick, 0) + 1}
        line.paused_until = now + TRIAL if line.problem else None
        line.save(update_fields=["recent", "paused_until"])
    return timedelta()


def give_back(environment: str) -> None:
    """Of a request that was taken, but came to nothing before it was made."""
    with transaction.atomic():
        line, now = _locked(environment)
        recent = _recent(line, now)
        if recent:
            recent[max(recent)] -= 1
            line.recent = {then: count for then, count in recent.items() if count}
            line.save(update_fields=["recent"])


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
    if row is None:
        line = PersonaLine()
        return Share(0, _allowed(line), line.limit)
    line, now = _and_now(row)
    recent = _recent(line, now)
    free_in = _until_one_leaves(recent, now) if recent else timedelta()
    return Share(sum(recent.values()), _allowed(line), line.limit, free_in)


def after(delay: timedelta) -> Combinable:
    """The moment that lies `delay` from now by the database's clock."""
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())


def _with_now() -> QuerySet[Any]:
    """Each line, with the database's `now` beside it."""
    return PersonaLine.objects.annotate(now=ExpressionWrapper(Now(), DateTimeField()))


def _and_now(row: Any) -> tuple[PersonaLine, datetime]:
    return row, row.now


def _locked(environment: str) -> tuple[PersonaLine, datetime]:
    rows = _with_now().select_for_update().filter(environment=environment)
    row = rows.first()
    if row is None:
        PersonaLine.objects.get_or_create(environment=environment)
        row = rows.get()
    return _and_now(row)


def _recent(line: PersonaLine, now: datetime) -> dict[int, int]:
    """How many requests were taken in each tick of the last minute.

    `now` was read before the row was locked, so that another worker's may lie a little ahead; what
    lies far ahead was taken before the clock was put back.
    """
    tick = _tick(now)
    taken = {int(then): count for then, count in line.recent.items()}
    return {then: count for then, count in taken.items() if abs(then - tick) <= SECONDS * TICKS}


def _tick(moment: datetime) -> int:
    return int(moment.timestamp() * TICKS)


def _until_one_leaves(recent: dict[int, int], now: datetime) -> timedelta:
    return timedelta(seconds=SECONDS + (min(recent) + 1) / TICKS - now.timestamp())


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
