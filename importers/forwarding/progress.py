"""Progress: how far an import is, from our rows alone, and what stops it."""

import hashlib
import time
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import BigIntegerField, Exists, F, Subquery
from django.db.models.functions import JSONObject

from importers.forwarding import estimate
from importers.forwarding.estimate import TimeLeft
from importers.forwarding.notices import Notice, notices_of
from importers.gateway import environments, rate_limit
from importers.gateway.rate_limit import Budget
from importers.models import Batch, Gateway, Import, Problem, Worker, compiled

State = Batch.State
# A few batches are all shown. Of more, only the exceptions are, and a page of the others on demand.
FEW_BATCHES, EXCEPTIONS_SHOWN, BATCHES_SHOWN = 5, 20, 20
ENDED_AT_PERSONA = (State.DONE, State.ERRORED)
# What the notices show of the gateway.
GATEWAY_SHOWN = (
    *("sends_fail", "reads_fail", "problem", "problem_detail", "problem_since"),
    *("paused_at", "paused_by"),
)


@dataclass(frozen=True)
class Progress:
    face_import: Import
    batches: list[Batch]
    notices: list[Notice]
    version: str
    page_number: str | None = None

    @cached_property
    def exceptions(self) -> list[Batch]:
        """The batches that a person should look at, unless all batches are shown."""
        found = [batch for batch in self.batches if _is_exception(batch)]
        return found[:EXCEPTIONS_SHOWN] if self.are_many else []

    @cached_property
    def shown_batches(self) -> Page[Batch]:
        """A page of the others: first the rest of the exceptions, then those in progress.

        While all of them fit on a page they keep their order, so that no row moves.
        """
        apart = set(self.exceptions)
        others = [batch for batch in self.batches if batch not in apart]
        fit = len(others) <= BATCHES_SHOWN
        shown = others if fit else sorted(others, key=_urgency)
        return Paginator(shown, BATCHES_SHOWN).get_page(self.page_number)

    @property
    def are_many(self) -> bool:
        return self.batch_count > FEW_BATCHES

    @property
    def image_count(self) -> int:
        return sum(batch.image_count for batch in self.batches)

    @property
    def can_be_retried(self) -> bool:
        return any(batch.can_be_retried for batch in self.batches)

    @property
    def lacks_approval(self) -> bool:
        """Return True if batches were not sent because no approval of the import is in force."""
        failed = (batch for batch in self.batches if batch.state == State.FAILED)
        return any(batch.problem == Problem.NOT_APPROVED for batch in failed)

    @property
    def lost_image_count(self) -> int:
        """Images that are certainly not on the list, though the import has ended for them."""
        return sum(b.image_count for b in self.batches if b.is_lost)

    @property
    def batch_count(self) -> int:
        return len(self.batches)

    @property
    def ended_count(self) -> int:
        return sum(batch.state in Batch.FINAL for batch in self.batches)

    @property
    def offers_an_act(self) -> bool:
        return bool(self.can_be_retried or self.unsent_count or self.lost_image_count)

    @property
    def unsent_count(self) -> int:
        """Batches that can be canceled: Persona has none of their images."""
        return sum(
            batch.state in Batch.CANCELABLE and not batch.may_have_arrived for batch in self.batches
        )

    @property
    def sent_count(self) -> int:
        """Images of the batches that Persona has answered with an importer."""
        return sum(batch.image_count for batch in self.batches if batch.importer_id)

    @property
    def successful_count(self) -> int:
        return self.face_import.successful_count or 0

    @property
    def duplicate_count(self) -> int:
        return self.face_import.duplicate_count or 0

    @property
    def error_count(self) -> int:
        return self.face_import.error_count or 0

    @property
    def awaiting_count(self) -> int:
        """Images of batches that have not ended, without those that Persona has reported."""
        return sum(_unreported(batch) for batch in self.batches if batch.state in Batch.OPEN)

    @property
    def unreported_count(self) -> int:
        """Images of batches that have ended at Persona, for which it reported no result."""
        return sum(_unreported(batch) for batch in self.batches if batch.state in ENDED_AT_PERSONA)

    @property
    def failed_count(self) -> int:
        """Images of batches that wait for a person."""
        return self._images_of(State.FAILED)

    @property
    def canceled_count(self) -> int:
        return self._images_of(State.CANCELED)

    @property
    def uneven_count(self) -> int:
        """Batches that have ended at Persona with more or fewer results than images."""
        ended = [batch for batch in self.batches if batch.state in ENDED_AT_PERSONA]
        return sum(_reported(batch) != batch.image_count for batch in ended)

    @property
    def bar_length(self) -> int:
        """The number of images, or of results if Persona reported more."""
        reported = self.successful_count + self.duplicate_count + self.error_count
        return max(self.image_count, reported)

    @property
    def announcement(self) -> str:
        """For a screen reader: changes only when a batch has ended."""
        return (
            f"{self.ended_count} of {self.batch_count} batches finished. "
            f"{self.successful_count} successful, {self.duplicate_count} duplicate, "
            f"{self.error_count} error."
        )

    @cached_property
    def budget(self) -> Budget:
        return rate_limit.budget(self.face_import.face_list.environment)

    @property
    def time_left(self) -> TimeLeft | None:
        """None if no honest estimate is possible, for example while something stops the import."""
        if self.notices:
            return None
        environment = self.face_import.face_list.environment
        return estimate.time_left(environment, self.batches, self.budget)

    def _images_of(self, state: Batch.State) -> int:
        return sum(batch.image_count for batch in self.batches if batch.state == state)


def of_import(face_import: Import, page_number: str | None = None) -> Progress:
    # The version first: what changes between the two reads is then shown at the next poll.
    seen = version(face_import.pk)
    batches = list(face_import.batches.order_by("number"))
    face_import.is_troubled = any(batch.needs_a_person for batch in batches)
    notices = notices_of(face_import) if face_import.is_unfinished else []
    return Progress(face_import, batches, notices, seen, page_number)


def version(import_id: int) -> str:
    """Return a hash that changes with anything on the page of an import, or "" if it is not there.

    It also changes each minute, for what depends on the time: API usage, time left, batches that
    are overdue. It takes one query.
    """
    if import_id > BigIntegerField.MAX_BIGINT:  # SQLite accepts no larger number
        return ""
    environment = environments.current()
    sql, parameters = _shown(environment)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, import_id])
        shown = cursor.fetchone()
    whole = repr((shown, environment, minute_of(import_id))).encode()
    return hashlib.sha256(whole).hexdigest()[:16] if shown else ""


@cache
def _shown(environment: str) -> tuple[str, list[Any]]:
    """Return the query of what the page of an import shows of it and of its environment."""
    unsent = Batch.objects.of_environment(environment).unsent()
    row = JSONObject(**{column: F(column) for column in GATEWAY_SHOWN}, unsent=Exists(unsent))
    gateway = Gateway.objects.filter(environment=environment).values_list(row)
    rows = Import.objects.values_list(
        *("revision", "state", "face_list__name", "face_list__problem"),
        *(Subquery(gateway), Exists(Worker.objects.seen())),
    )
    return compiled.by_key(rows)


def minute_of(import_id: int) -> int:
    """Its start differs between imports, so that open pages do not all change at once."""
    return int((time.time() + import_id) // 60)


def _reported(batch: Batch) -> int:
    counts = (batch.successful_count, batch.duplicate_count, batch.error_count)
    return sum(count or 0 for count in counts)


def _unreported(batch: Batch) -> int:
    return max(batch.image_count - _reported(batch), 0)


def _is_exception(batch: Batch) -> bool:
    waits = batch.state in Batch.OPEN and batch.problem != ""
    is_late_or_decided = batch.is_overdue or batch.decided_at is not None
    return batch.needs_a_person or waits or is_late_or_decided


def _urgency(batch: Batch) -> tuple[int, int]:
    if _is_exception(batch):
        return 0, batch.number
    if batch.state not in Batch.FINAL and batch.state != State.QUEUED:
        return 1, batch.number
    return 2, batch.number
