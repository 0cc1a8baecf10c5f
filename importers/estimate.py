"""How long an import may still take: a range, from what was observed alone, or nothing.

It is least if from now on only our share of Persona's rate limit holds us up, and Persona works as
fast as it lately did at best. It is most if sending goes on at the pace of this import so far, its
waits included, and Persona is as slow as it lately was with nine batches in ten.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F

from importers import pacing
from importers.models import Batch
from importers.pacing import Share

State = Batch.State
TO_SEND = (State.QUEUED, State.SENDING)
LATELY, AT_MOST = timedelta(days=1), 20  # what Persona took counts for so long, and so many
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


def time_left(environment: str, batches: Sequence[Batch], share: Share) -> TimeLeft | None:
    """For the batches of one import, at our share; None while nothing can be said honestly.

    So it is until one batch has been taken and Persona has ended one, while an answer is lost, and
    where Persona takes longer than it lately did.
    """
    took = _took(environment)
    to_send = [batch for batch in batches if batch.state in TO_SEND]
    if not took or any(batch.state == State.UNKNOWN for batch in batches):
        return None
    if not to_send:
        return _until_persona_ends(batches, took)
    pace = _pace(batches)
    if pace is None:
        return None
    ahead = _ahead(environment, to_send[-1])
    least = at_our_share(share, ahead)
    return TimeLeft(least + took[0], max(least, pace * ahead) + _slow(took))


def at_our_share(share: Share, requests: int) -> timedelta:
    """The least time until so many requests have gone out."""
    beyond = requests - (share.allowed - share.taken)
    if beyond <= 0:
        return NOTHING
    return share.free_in + pacing.WINDOW * ((beyond - 1) // share.allowed)


def _took(environment: str) -> list[timedelta]:
    """How long Persona lately took from taking a batch to ending it, the shortest first."""
    ended = Batch.objects.of_environment(environment).filter(
        state__in=[State.DONE, State.ERRORED], finished_at__gt=datetime.now(UTC) - LATELY
    )
    took = ended.order_by("-finished_at").values_list(F("finished_at") - F("accepted_at"))
    return sorted(max(time, NOTHING) for (time,) in took[:AT_MOST] if time is not None)


def _slow(took: list[timedelta]) -> timedelta:
    return took[math.ceil(len(took) * 0.9) - 1]


def _until_persona_ends(batches: Sequence[Batch], took: list[timedelta]) -> TimeLeft | None:
    now = datetime.now(UTC)
    since = [
        batch.accepted_at
        for batch in batches
        if batch.state == State.IMPORTING and batch.accepted_at is not None
    ]
    if not since or now - min(since) > _slow(took):
        return None
    age = now - max(since)
    return TimeLeft(max(took[0] - age, NOTHING), _slow(took) - age)


def _pace(batches: Sequence[Batch]) -> timedelta | None:
    """From one accepted batch of this import to the next, on the average."""
    accepted = [batch.accepted_at for batch in batches if batch.accepted_at]
    begun = [batch.first_sent_at for batch in batches if batch.first_sent_at]
    if not accepted or not begun:
        return None
    return max(max(accepted) - min(begun), NOTHING) / len(accepted)


def _ahead(environment: str, last: Batch) -> int:
    """How many batches go out until the last of ours has, those of other imports included."""
    waiting = Batch.objects.of_environment(environment).filter(state__in=TO_SEND, pk__lte=last.pk)
    return waiting.count()
