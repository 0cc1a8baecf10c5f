import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from importers.models.batch_queries import BatchQuerySet
from importers.models.environments import Environment
from importers.models.imports import Import
from importers.models.levels import Level
from importers.models.problems import Problem

if TYPE_CHECKING:
    from importers.models.attempts import AttemptQuerySet


class Batch(models.Model):
    """At most `BATCH_MAX_IMAGES` images of one import, sent in one request under one key.

    queued ─▶ sending ─▶ importing ─▶ done
      ▲  │       │           └──────▶ errored
      │  │       ├─▶ unknown   in doubt: no clear answer, so it may have arrived; sent again
      │  │       │             under the same key, or recovered (importing, queued or failed)
      │  │       └─▶ failed    Persona refused it or keeps failing on it, its seal is broken, or
      │  │                     recovery is ambiguous: a person decides
      │  └─▶ canceled ◀─ failed (a person gives up a batch that certainly never arrived)
      └───────────────── failed (a person tries again, under a new key)
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        SENDING = "sending", "Being sent"
        UNKNOWN = "unknown", "Waiting for Persona to confirm"
        IMPORTING = "importing", "Processing at Persona"
        DONE = "done", "Done"
        ERRORED = "errored", "Failed at Persona"
        FAILED = "failed", "Action required"
        CANCELED = "canceled", "Canceled"

    UNDER_WAY = (State.SENDING, State.UNKNOWN)
    WAITING = (State.QUEUED, State.UNKNOWN)
    OPEN = (*WAITING, State.SENDING, State.IMPORTING)
    FINAL = (State.DONE, State.ERRORED, State.FAILED, State.CANCELED)
    CANCELABLE = (State.QUEUED, State.FAILED)
    LEVELS = {
        State.SENDING: Level.INFO,
        State.UNKNOWN: Level.WARNING,
        State.IMPORTING: Level.INFO,
        State.DONE: Level.SUCCESS,
        State.ERRORED: Level.ERROR,
        State.FAILED: Level.ERROR,
    }
    LONG_AT_PERSONA = timedelta(minutes=10)
    NO_PROBLEM = {"problem": "", "problem_detail": ""}
    NO_LEASE: dict[str, Any] = {"lease_until": None, "lease_owner": ""}
    DECISION_HAS_TAKEN_EFFECT: dict[str, Any] = {"decided_at": None, "candidates": []}
    # Only for batches that are not at Persona. The next claim creates the key.
    NEW_KEY: dict[str, Any] = {
        "idempotency_key": None,
        "may_have_arrived": False,
        "recover_first": False,
        "candidates": [],
    }

    face_import = models.ForeignKey(Import, on_delete=models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    # That of the signed list, kept here for the queries that run all the time.
    environment = models.CharField(max_length=10, choices=Environment)
    # As cut and signed: a batch that holds another number of images is not sent.
    image_count = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)

    idempotency_key = models.UUIDField(null=True, unique=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=100, blank=True)
    # Rises with each claim: a worker that lost its lease can no longer write its outcome.
    fence = models.PositiveIntegerField(default=0)
    may_have_arrived = models.BooleanField(default=False)
    recover_first = models.BooleanField(default=False, help_text="find it at Persona, do not send")
    candidates = models.JSONField(default=list, help_text="importers that may belong to this batch")
    decided_at = models.DateTimeField(null=True, help_text="by a person; it can still be undone")

    importer_id = models.CharField(max_length=100, blank=True)
    # The importers that a group of batches has, if nothing tells whose is which.
    importer_among = models.JSONField(default=list)
    persona_status = models.CharField(max_length=100, blank=True)
    successful_count = models.PositiveIntegerField(null=True)
    duplicate_count = models.PositiveIntegerField(null=True)
    error_count = models.PositiveIntegerField(null=True)
    accepted_at = models.DateTimeField(null=True, help_text="When Persona answered with an id.")
    finished_at = models.DateTimeField(null=True)

    problem = models.CharField(max_length=30, blank=True, choices=Problem)
    problem_detail = models.TextField(blank=True, help_text="the same in a sentence")

    acknowledged_at = models.DateTimeField(null=True, help_text="a person knows that it failed")
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledgement = models.TextField(max_length=1000, blank=True, help_text="their note")

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["face_import_id", "number"]
        indexes = [
            models.Index(fields=["environment", "state", "next_attempt_at"], name="batch_due"),
            models.Index(fields=["environment", "finished_at"], name="batch_finished"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["face_import", "number"], name="batch_numbered_once"),
            models.UniqueConstraint(
                fields=["importer_id"], condition=~Q(importer_id=""), name="importer_claimed_once"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["importing", "done", "errored"]) | ~Q(importer_id=""),
                name="answered_batch_has_an_importer",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sending", "unknown"]) | Q(idempotency_key__isnull=False),
                name="key_is_stored_before_sending",
            ),
        ]

    def __str__(self) -> str:
        return f"Batch {self.number} of import {self.face_import_id}"

    @property
    def label(self) -> str:
        return self.get_state_display()

    @property
    def level(self) -> Level:
        return self.LEVELS.get(self.State(self.state), Level.NEUTRAL)

    @property
    def is_ambiguous(self) -> bool:
        """Return True if a person must say which importer at Persona belongs to this batch."""
        return self.state == self.State.FAILED and self.problem == Problem.AMBIGUOUS

    @property
    def can_be_retried(self) -> bool:
        return self.state == self.State.FAILED and not self.is_ambiguous

    @property
    def can_be_acknowledged(self) -> bool:
        return self.state == self.State.ERRORED and self.acknowledged_at is None

    @property
    def needs_a_person(self) -> bool:
        return self.state == self.State.FAILED or self.can_be_acknowledged

    @classmethod
    def is_lost_where(cls, prefix: str = "") -> Q:
        """Return `is_lost` as a condition. `prefix` leads to the batch."""
        state = f"{prefix}state"
        failed = Q(**{state: cls.State.FAILED, f"{prefix}may_have_arrived": False})
        return failed | Q(**{f"{state}__in": (cls.State.CANCELED, cls.State.ERRORED)})

    @property
    def is_lost(self) -> bool:
        """Return True if it has ended and its images are certainly not on the list."""
        failed = self.state == self.State.FAILED and not self.may_have_arrived
        return failed or self.state in (self.State.CANCELED, self.State.ERRORED)

    @property
    def is_overdue(self) -> bool:
        """Return True if Persona has been processing it for unusually long."""
        if self.state != self.State.IMPORTING or self.accepted_at is None:
            return False
        return datetime.now(UTC) - self.accepted_at > self.LONG_AT_PERSONA

    @property
    def sends_in_doubt(self) -> "AttemptQuerySet":
        """The sends under the current key that may have arrived, each with the database's `now`."""
        return self.sends.with_now().filter(key=F("batch__idempotency_key"), may_have_arrived=True)

    @property
    def key(self) -> uuid.UUID:
        """The key that it is sent under. Raises ValueError before the first claim."""
        if self.idempotency_key is None:
            raise ValueError("The batch has no key yet.")
        return self.idempotency_key

    @property
    def _leased(self) -> models.QuerySet["Batch"]:
        return Batch.objects.filter(pk=self.pk, state=self.State.SENDING, fence=self.fence)

    def lend(self, owner: str, until: Combinable) -> bool:
        """Move into `sending` and store the key. Return True if this worker now holds the lease."""
        # Matches nothing if another worker has claimed the batch since it was read.
        rows = Batch.objects.filter(pk=self.pk, fence=self.fence, state=self.state)
        updated = rows.update(
            state=self.State.SENDING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_owner=owner,
            lease_until=until,
            idempotency_key=self.idempotency_key or uuid.uuid4(),
            **self.DECISION_HAS_TAKEN_EFFECT,
        )
        return bool(updated)

    def send_to_recovery(self) -> None:
        """Put it in doubt, to be found at Persona: its key may have been forgotten."""
        rows = Batch.objects.filter(pk=self.pk, fence=self.fence, state=self.state)
        doubt = {"state": self.State.UNKNOWN, "recover_first": True, "next_attempt_at": Now()}
        rows.update(**doubt, **self.NO_LEASE)

    def begin_sending(self) -> bool:
        """Note that it may arrive from now on. Return False if the lease is no longer valid."""
        return bool(self._leased.filter(lease_until__gt=Now()).update(may_have_arrived=True))

    def finish_sending(self, to: State, **values: Any) -> bool:
        """Move out of `sending`. Return False if another worker holds the lease by now."""
        return bool(self._leased.update(state=to, **self.NO_LEASE, **values))

    def give_back(self) -> None:
        """Leave `sending` without an attempt. The batch keeps its place in the queue."""
        waiting = self.State.UNKNOWN if self.may_have_arrived else self.State.QUEUED
        self.finish_sending(waiting, may_have_arrived=self.may_have_arrived)

    def accept_late(self, **values: Any) -> bool:
        """Move to `importing` by an answer that came after the lease was lost.

        The batch still has the key that was answered, so the importer is its own, whoever holds
        the lease now: that worker's answer then changes nothing. Return False if it moved on.
        """
        rows = Batch.objects.filter(pk=self.pk, idempotency_key=self.idempotency_key)
        waiting = Q(state__in=(self.State.SENDING, *self.WAITING))
        ambiguous = Q(state=self.State.FAILED, problem=Problem.AMBIGUOUS)
        rows = rows.filter(waiting | ambiguous, importer_id="")
        return bool(rows.update(state=self.State.IMPORTING, **self.NO_LEASE, **values))

    def resolve(self, to: State, **values: Any) -> bool:
        """Move on as recovery found. Return False if the batch no longer waits for it."""
        waiting = {"state": self.State.UNKNOWN, "recover_first": True}
        rows = Batch.objects.filter(pk=self.pk, fence=self.fence, **waiting)
        return bool(rows.update(state=to, **values))

    def observe(self, **values: Any) -> bool:
        """Write what Persona reports of its importer. Return False if the batch has ended."""
        rows = Batch.objects.filter(pk=self.pk, state=self.State.IMPORTING)
        return bool(rows.update(**self.DECISION_HAS_TAKEN_EFFECT, **values))

    def decide(self, **values: Any) -> bool:
        """Write a person's decision. Return False if the batch no longer waits for one."""
        rows = Batch.objects.filter(pk=self.pk, state=self.State.FAILED, problem=Problem.AMBIGUOUS)
        return bool(rows.update(**values))
