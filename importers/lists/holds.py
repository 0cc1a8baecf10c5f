"""Holds: nothing is sent to a list that Persona refuses until the next try is due."""

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from importers.models import FaceList
from importers.models.clock import from_now

LONGEST_HOLD_SECONDS = 600


def hold(face_list: FaceList, sentence: str) -> None:
    """Hold the list, longer each time; `sentence` is what Persona said."""
    seconds = min(10 * 2 ** min(face_list.refusals, 10), LONGEST_HOLD_SECONDS)
    FaceList.objects.filter(pk=face_list.pk).update(
        problem=sentence,
        problem_since=Coalesce(F("problem_since"), Now()),
        refusals=F("refusals") + 1,
        held_until=from_now(timedelta(seconds=seconds)),
    )


def release(face_list_id: int) -> bool:
    """End a hold: the list accepted a batch, or a person retries. Return False if it had none."""
    held = FaceList.objects.filter(pk=face_list_id).exclude(problem="")
    return bool(held.update(problem="", problem_since=None, refusals=0, held_until=None))
