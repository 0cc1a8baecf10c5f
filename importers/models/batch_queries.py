from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from importers.models.lists import FaceList
from importers.models.problems import Problem

if TYPE_CHECKING:
    from importers.models.batches import Batch  # noqa: F401  (names the rows below)


class BatchQuerySet(models.QuerySet["Batch"]):
    def of_environment(self, environment: str) -> Self:
        return self.filter(environment=environment)

    def unended(self) -> Self:
        return self.filter(state__in=self.model.OPEN)

    def due(self) -> Self:
        """To be sent, or left in `sending` by a worker that died. The list may be held."""
        waiting = Q(state__in=self.model.WAITING, recover_first=False, next_attempt_at__lte=Now())
        abandoned = Q(state=self.model.State.SENDING, lease_until__lte=Now())
        # Named once more on its own, so that the index spares the batches that have ended.
        return self.unsent().filter(waiting | abandoned)

    def in_doubt(self) -> Self:
        """Sent without a clear answer so far; this includes batches that are being sent."""
        return self.filter(state__in=self.model.UNDER_WAY, may_have_arrived=True).not_held()

    def not_held(self) -> Self:
        """Without those of a held list. There is hardly ever one, and a join takes longer."""
        lists = FaceList.objects.filter(held_until__gt=Now()).order_by()
        held = list(lists.values_list("pk", flat=True))
        return self.exclude(face_import__face_list__in=held) if held else self

    def possibly_at_persona(self) -> Self:
        """Batches that may own an importer that no batch has claimed."""
        return self.filter(may_have_arrived=True, importer_id="").exclude(
            state=self.model.State.CANCELED
        )

    def to_recover(self) -> Self:
        waiting = self.filter(state=self.model.State.UNKNOWN, recover_first=True)
        return waiting.filter(next_attempt_at__lte=Now())

    def unsent(self) -> Self:
        """Without an importer, and not ended: still to be sent, or in doubt."""
        return self.filter(state__in=(self.model.State.SENDING, *self.model.WAITING))

    def to_poll(self) -> Self:
        return self.filter(state=self.model.State.IMPORTING, next_attempt_at__lte=Now())

    def to_ask_about(self) -> Self:
        """To be polled, or to be recovered."""
        return self.to_poll() | self.to_recover()

    def retriable(self) -> Self:
        """Failed and certainly not at Persona: a new key is safe."""
        return self.filter(state=self.model.State.FAILED, may_have_arrived=False)

    def recoverable(self) -> Self:
        """Failed, may be at Persona, and not waiting for a person's decision."""
        failed = self.filter(state=self.model.State.FAILED, may_have_arrived=True)
        return failed.exclude(problem=Problem.AMBIGUOUS)

    def cancelable(self) -> Self:
        """Not being sent, not ended, and certainly not at Persona."""
        return self.filter(state__in=self.model.CANCELABLE, may_have_arrived=False)

    def undoable(self) -> Self:
        """Decided by a person, and the decision has not taken effect."""
        waiting = (self.model.State.QUEUED, self.model.State.IMPORTING)
        return self.filter(state__in=waiting, decided_at__isnull=False)

    def troubled(self) -> Self:
        """A person must act: failed, or failed at Persona and not acknowledged."""
        errored = Q(state=self.model.State.ERRORED, acknowledged_at=None)
        return self.filter(Q(state=self.model.State.FAILED) | errored)

    def lost(self) -> Self:
        """Ended, and their images are certainly not on the list."""
        return self.filter(self.model.is_lost_where())

    def not_approved(self) -> Self:
        """Failed because no approval of the import is in force."""
        return self.filter(state=self.model.State.FAILED, problem=Problem.NOT_APPROVED)

    def requeue(self) -> int:
        """Queue them again under a new key. Only for batches that are certainly not at Persona."""
        anew = self.model.NO_PROBLEM | self.model.NEW_KEY
        return self.update(state=self.model.State.QUEUED, attempts=0, next_attempt_at=Now(), **anew)

    def recover(self) -> int:
        """Put them in doubt: each is recovered before it is sent again."""
        return self.update(
            state=self.model.State.UNKNOWN, recover_first=True, next_attempt_at=Now()
        )

    def cancel(self) -> int:
        return self.update(state=self.model.State.CANCELED, finished_at=Now())
