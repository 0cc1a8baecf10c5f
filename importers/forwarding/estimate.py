"""Estimate: how long an import may still take, as a range derived from recent observations.

The lower bound assumes that only the rate budget limits us and that Persona is as fast as for its
fastest recent batch. The upper bound assumes that sending continues at the import's pace so far,
waits included, and that Persona takes no longer than for nine in ten of its recent batches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F, Min

from importers.gateway import rate_limit
from importers.gateway.rate_limit import Budget
from importers.models import Attempt, Batch

State = Batch.State
TO_SEND = (State.QUEUED, State.SENDING)
LATELY, MAX_BATCHES = timedelta(days=1), 20  # the recent batches that count
NOTHING = timedelta()


@dataclass(frozen=True)
class TimeLeft:
    least: timedelta
    most: timedelta

    def __str__(self) -> str:
        unit, name = (60, "minute") if self.most < timedelta(minutes=90) else (3600, "hour")
        least = math.floor(self.least.total_seconds() / unit)
        most = math.ceil(self.most.total_seconds() / unit)
        if most <= 1:
            return f"less than {'a minute' if unit == 60 else 'an hour'}"
        if least == 0:
            return f"up to {most} {name}s"
        return f"{least} to {most} {name}s" if least < most else f"about {most} {name}s"


def time_left(environment: str, batches: Sequence[Batch], budget: Budget) -> TimeLeft | None:
    """Estimate the time left for the batches of one import, or return None.

    No honest estimate is possible until Persona has accepted a batch of this import and recently
    ended any batch, while a batch is in doubt, or if Persona takes longer than it did recently.
    """
    times = _times_at_persona(environment)
    to_send = [batch for batch in batches if batch.state in TO_SEND]
    if not times or any(batch.state == State.UNKNOWN for batch in batches):
        return None
    if not to_send:
        return _until_persona_ends(batches, times)
    pace = _pace(batches)
    if pace is None:
        return None
    ahead = _ahead(environment, to_send[-1])
    least = within_budget(budget, ahead)
    return TimeLeft(least + times[0], max(least, pace * ahead) + _slow(times))


def at_best(environment: str, requests: int) -> TimeLeft:
    """Return how long this number of requests takes at least, if nothing else is sent."""
    shortest = within_budget(rate_limit.budget(environment), requests)
    return TimeLeft(shortest, shortest)


def within_budget(budget: Budget, requests: int) -> timedelta:
    """Return the shortest time in which the budget allows this number of requests."""
    beyond = requests - (budget.allowed - budget.used)
    if beyond <= 0:
        return NOTHING
    return budget.free_in + rate_limit.window() * ((beyond - 1) // budget.allowed)


def _times_at_persona(environment: str) -> list[timedelta]:
    """Return how long Persona recently took to end accepted batches, shortest first."""
    # Both times are set if Persona ended it. By state, SQLite would read every batch that ended.
    ended = Batch.objects.of_environment(environment).filter(
        accepted_at__isnull=False, finished_at__gt=datetime.now(UTC) - LATELY
    )
    times = ended.order_by("-finished_at").values_list(F("finished_at") - F("accepted_at"))
    return sorted(max(time, NOTHING) for (time,) in times[:MAX_BATCHES] if time is not None)


def _slow(times: list[timedelta]) -> timedelta:
    return times[math.ceil(len(times) * 0.9) - 1]


def _until_persona_ends(batches: Sequence[Batch], times: list[timedelta]) -> TimeLeft | None:
    now = datetime.now(UTC)
    since = [
        batch.accepted_at
        for batch in batches
        if batch.state == State.IMPORTING and batch.accepted_at is not None
    ]
    if not since or now - min(since) > _slow(times):
        return None
    age = now - max(since)
    return TimeLeft(max(times[0] - age, NOTHING), _slow(times) - age)


def _pace(batches: Sequence[Batch]) -> timedelta | None:
    """Return the average time from one accepted batch of this import to the next."""
    accepted = [batch.accepted_at for batch in batches if batch.accepted_at]
    sends = Attempt.objects.filter(batch__face_import=batches[0].face_import_id)
    started: datetime | None = sends.aggregate(first=Min("began_at"))["first"]
    if not accepted or started is None:
        return None
    return max(max(accepted) - started, NOTHING) / len(accepted)


def _ahead(environment: str, last: Batch) -> int:
    """Return how many batches of all imports are still to be sent, up to and including `last`."""
    waiting = Batch.objects.of_environment(environment).filter(state__in=TO_SEND, pk__lte=last.pk)
    return waiting.count()
