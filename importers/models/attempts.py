from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from importers.models.batches import Batch


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def with_now(self) -> Self:
        """Add the database's `now` to each row."""
        return self.annotate(now=ExpressionWrapper(Now(), DateTimeField()))


class Attempt(models.Model):
    """One send of one batch under one key, by the database's clock: what recovery goes by.

    It is written before the request leaves. If its worker died, it has no end until another
    worker claims the batch.
    """

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="sends")
    key = models.UUIDField()
    began_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    # A connection may break while Persona is still creating the importer.
    settled_at = models.DateTimeField(null=True, help_text="no importer is created after this")
    may_have_arrived = models.BooleanField(default=True)
    worker_died = models.BooleanField(default=False, help_text="its worker has reported no end")
    # How far Persona's clock was ahead then. It differs from now if either clock was set since.
    clock_ahead_least = models.DurationField(null=True)
    clock_ahead_most = models.DurationField(null=True)

    now: datetime  # only on rows read by `with_now`

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Attempt {self.pk} at batch {self.batch_id}"
