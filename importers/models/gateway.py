from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from importers.models.batches import Batch
from importers.models.environments import Environment
from importers.models.levels import Level
from importers.models.problems import Problem


class GatewayQuerySet(models.QuerySet["Gateway"]):
    def with_now(self) -> Self:
        """Add the database's `now` to each row."""
        return self.annotate(now=ExpressionWrapper(Now(), DateTimeField()))


class Gateway(models.Model):
    """Our connection to one Persona environment, shared by all workers.

    One row holds it all, because reserving a request must weigh the budget, the breaker and a
    person's pause at one instant, under one lock.
    """

    LEVELS = {Environment.SANDBOX: Level.WARNING, Environment.PRODUCTION: Level.ERROR}

    environment = models.CharField(max_length=10, choices=Environment, unique=True)

    # The rate budget: Persona's limit as it last reported it. Our own requests are exchanges.
    rate_limit = models.PositiveIntegerField(default=300, help_text="requests a minute")
    rate_remaining = models.PositiveIntegerField(null=True)
    rate_resets_at = models.DateTimeField(null=True)

    # The breaker: open while there is a problem. From `retry_at` on, one trial request may go.
    sends_fail = models.BooleanField(default=False, help_text="stops sends")
    reads_fail = models.BooleanField(default=False, help_text="stops every request")
    trial = models.ForeignKey("Exchange", on_delete=models.SET_NULL, null=True, related_name="+")
    problem = models.CharField(max_length=30, blank=True, choices=Problem)
    problem_detail = models.TextField(blank=True, help_text="in Persona's words, if it gave any")
    problem_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)

    # A person's switch over all sending.
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=150, blank=True)

    # The worker's schedule.
    next_poll_at = models.DateTimeField(null=True)
    lists_attempted_at = models.DateTimeField(null=True)
    lists_synced_at = models.DateTimeField(null=True)

    # How far Persona's clock is ahead of the database's, by the Date of its answers.
    clock_ahead_least = models.DurationField(null=True)
    clock_ahead_most = models.DurationField(null=True)
    clocks_compared_at = models.DateTimeField(null=True)

    UNMEASURED = timedelta(minutes=1)  # assumed of two clocks that were never compared

    now: datetime  # only on rows read by `with_now`

    objects = GatewayQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Gateway to {self.get_environment_display()}"

    @property
    def clock_ahead(self) -> tuple[timedelta, timedelta]:
        """The least and the most that Persona's clock is ahead of the database's."""
        if self.clock_ahead_least is None or self.clock_ahead_most is None:
            return -self.UNMEASURED, self.UNMEASURED
        return self.clock_ahead_least, self.clock_ahead_most

    @property
    def level(self) -> Level:
        """Warn in Sandbox, and more strongly in Production, where every face is real."""
        return self.LEVELS.get(Environment(self.environment), Level.NEUTRAL)


class Exchange(models.Model):
    """One HTTP exchange with Persona, from its reservation in the rate budget on. Never a body."""

    environment = models.CharField(max_length=10, choices=Environment)
    began_at = models.DateTimeField(db_default=Now(), help_text="when reserved, then when it left")
    ended_at = models.DateTimeField(null=True, help_text="Empty until it ends.")
    method = models.CharField(max_length=10, blank=True)
    path = models.CharField(max_length=300, blank=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty if no answer came.")
    request_id = models.CharField(max_length=100, blank=True)
    error_title = models.CharField(max_length=300, blank=True)
    error_detail = models.TextField(blank=True)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, null=True, related_name="exchanges")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["environment", "ended_at"], name="exchange_in_budget")]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status or 'no answer'}"
