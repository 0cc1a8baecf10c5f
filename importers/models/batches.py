import uuid
from datetime import UTC, datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from importers.models.imports import Import
from importers.models.levels import Level


class BatchQuerySet(models.QuerySet["Batch"]):
    def of_environment(self, environment: str) -> Self:
        return self.filter(face_import__face_list__environment=environment)

    def to_send(self) -> Self:
        """Due by the database's clock, or left in `sending` by a worker that is gone."""
        waiting = Q(state__in=Batch.WAITING, next_attempt_at__lte=Now())
        abandoned = Q(state=Batch.State.SENDING, lease_until__lte=Now())
        held = Q(face_import__face_list__held_until__gt=Now())
        return self.filter(waiting | abandoned).exclude(held).order_by("next_attempt_at", "pk")

    def to_retry(self) -> Self:
        """Refused for good, and surely not at Persona: a new key is safe."""
        return self.filter(state__in=Batch.RETRIABLE, may_have_arrived=False)

    def to_look_for(self) -> Self:
        """Failed, but may be at Persona all the same."""
        waits_for_a_person = Q(problem=Batch.AMBIGUOUS)
        failed = self.filter(state__in=Batch.RETRIABLE, may_have_arrived=True)
        return failed.exclude(waits_for_a_person)

    def to_cancel(self) -> Self:
        """Not ended, not being sent, and surely not at Persona."""
        return self.filter(state__in=Batch.CANCELABLE, may_have_arrived=False)

    def to_poll(self) -> Self:
        return self.filter(state=Batch.State.IMPORTING, next_attempt_at__lte=Now())


class Batch(models.Model):
    """At most `BATCH_MAX_IMAGES` images of one import, sent in one request under one key.

    queued ─▶ sending ─▶ importing ─▶ done
      ▲  │       │           └──────▶ errored
      │  │       ├─▶ unknown   no answer: it may have arrived; sent again under the same key, or
      │  │       │             looked for at Persona
      │  │       └─▶ failed    Persona refused it, its seal is broken, or its importer can't be
      │  │                     told from others: needs a person
      │  └─▶ canceled ◀─ failed (a person gives it up, if it surely never arrived)
      └───────────────── failed (a person tries again, under a new key)
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        SENDING = "sending", "Being sent"
        UNKNOWN = "unknown", "No answer yet"
        IMPORTING = "importing", "At Persona"
        DONE = "done", "Done"
        ERRORED = "errored", "Errored at Persona"
        FAILED = "failed", "Needs a person"
        CANCELED = "canceled", "Canceled"

    WAITING = (State.QUEUED, State.UNKNOWN)
    FINAL = (State.DONE, State.ERRORED, State.FAILED, State.CANCELED)
    TROUBLED = (State.ERRORED, State.FAILED)
    AMBIGUOUS = "ambiguous"  # the problem of a batch that waits for a person's decision
    RETRIABLE = (State.FAILED,)
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

    face_import = models.ForeignKey(Import, on_delete=models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    image_count = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)

    idempotency_key = models.UUIDField(null=True, unique=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=100, blank=True)
    fence = models.PositiveIntegerField(default=0)
    first_sent_at = models.DateTimeField(null=True, help_text="under the present key")
    tried_until = models.DateTimeField(null=True, help_text="the last moment it can have arrived")
    may_have_arrived = models.BooleanField(default=False)
    look_first = models.BooleanField(default=False, help_text="look for its importer, do not send")
    candidates = models.JSONField(default=list, help_text="importers of which one may be its own")

    importer_id = models.CharField(max_length=100, blank=True)
    persona_status = models.CharField(max_length=100, blank=True)
    successful_count = models.PositiveIntegerField(null=True)
    duplicate_count = models.PositiveIntegerField(null=True)
    error_count = models.PositiveIntegerField(null=True)
    accepted_at = models.DateTimeField(null=True, help_text="When Persona answered with an id.")
    finished_at = models.DateTimeField(null=True)

    problem = models.CharField(
        max_length=30, blank=True, help_text="a code; empty when all is well"
    )
    problem_detail = models.TextField(blank=True, help_text="the same in a sentence")

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["face_import", "number"]
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="batch_due")]
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
    def level(self) -> Level:
        return self.LEVELS.get(self.State(self.state), Level.NEUTRAL)

    @property
    def can_be_retried(self) -> bool:
        return self.state in self.RETRIABLE and self.problem != self.AMBIGUOUS

    @property
    def is_overdue(self) -> bool:
        """Whether Persona has had it for so long that people should know."""
        if self.state != self.State.IMPORTING or self.accepted_at is None:
            return False
        return datetime.now(UTC) - self.accepted_at > self.LONG_AT_PERSONA

    def move(self, to: State, *, of: tuple[State, ...], **values: object) -> bool:
        """Moves to `to` with `values`, if the row is still in one of `of`; whether it did."""
        rows = Batch.objects.filter(pk=self.pk, state__in=of)
        return bool(rows.update(state=to, **values))

    @property
    def is_still_lent(self) -> bool:
        """Whether the lease that this object was read with still holds."""
        return self._lent.filter(lease_until__gt=Now()).exists()

    @property
    def _lent(self) -> models.QuerySet["Batch"]:
        return Batch.objects.filter(pk=self.pk, state=self.State.SENDING, fence=self.fence)

    def finish_sending(self, to: State, **values: object) -> bool:
        """The move out of `sending`, for the lease's holder alone; whether it still held it."""
        return bool(self._lent.update(state=to, lease_until=None, lease_owner="", **values))

    @property
    def _was_left_sending(self) -> bool:
        """By a worker that died: its request can have arrived until its lease ran out."""
        return self.state == self.State.SENDING and not self.look_first

    def learn_late(self, **values: object) -> bool:
        """The move to `importing` by an answer that came after the lease was lost.

        The batch still has the key that was answered, so the importer is its own, whoever holds
        the lease now: that worker finds the batch moved on, and its answer changes nothing.
        """
        rows = Batch.objects.filter(pk=self.pk, idempotency_key=self.idempotency_key)
        waiting = (self.State.SENDING, *self.WAITING)
        rows = rows.filter(state__in=waiting, importer_id="")
        return bool(
            rows.update(state=self.State.IMPORTING, lease_until=None, lease_owner="", **values)
        )

    def lend(self, owner: str, until: models.expressions.Combinable, *, looks: bool) -> bool:
        """The move into `sending`, key and all: whether this worker now holds the lease."""
        rows = Batch.objects.filter(pk=self.pk, fence=self.fence, state=self.state)
        return bool(
            rows.update(
                state=self.State.SENDING,
                fence=F("fence") + 1,
                attempts=F("attempts") + 1,
                lease_owner=owner,
                lease_until=until,
                idempotency_key=self.idempotency_key or uuid.uuid4(),
                first_sent_at=Coalesce(F("first_sent_at"), Now()),
                look_first=looks,
                tried_until=F("lease_until" if self._was_left_sending else "tried_until"),
                may_have_arrived=self.may_have_arrived or self.state == self.State.SENDING,
            )
        )


class Exchange(models.Model):
    """One HTTP exchange with Persona. Never a body."""

    at = models.DateTimeField(db_default=Now())
    milliseconds = models.PositiveIntegerField()
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=300)
    status = models.PositiveSmallIntegerField(null=True, help_text="None where no answer came.")
    request_id = models.CharField(max_length=100, blank=True)
    error_title = models.CharField(max_length=300, blank=True)
    error_detail = models.TextField(blank=True)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, null=True, related_name="exchanges")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status or 'no answer'}"
