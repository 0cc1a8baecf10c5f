from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from importers.models.levels import Level
from importers.models.lists import Environment


class Worker(models.Model):
    """A worker process and when it was last seen at work."""

    name = models.CharField(max_length=100, unique=True)
    seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class PersonaLine(models.Model):
    """Our line to one environment of Persona, shared by all workers.

    The rate limit as last told by Persona, what we have taken of our share within the last minute,
    and how far Persona's clock is ahead; and, while the line is down, since when and why, in
    Persona's words where it spoke.
    """

    LEVELS = {Environment.SANDBOX: Level.WARNING, Environment.PRODUCTION: Level.ERROR}

    environment = models.CharField(max_length=10, choices=Environment, unique=True)
    recent = models.JSONField(default=dict, help_text="requests taken, by the tenth of a second")
    limit = models.PositiveIntegerField(default=300)
    remaining = models.PositiveIntegerField(null=True)
    resets_at = models.DateTimeField(null=True)
    clock_ahead = models.DurationField(default=timedelta, help_text="by the Date of its answers")
    paused_until = models.DateTimeField(null=True)
    next_poll_at = models.DateTimeField(null=True, help_text="importers are not asked for before")

    problem = models.CharField(max_length=30, blank=True)
    problem_detail = models.TextField(blank=True)
    problem_at = models.CharField(max_length=10, blank=True, help_text="the method, if only there")
    problem_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    halted_at = models.DateTimeField(null=True, help_text="since when a person has it paused")
    halted_by = models.CharField(max_length=150, blank=True)
    lists_read_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Line to {self.get_environment_display()}"

    @property
    def level(self) -> Level:
        """Warn in Sandbox and more so in Production, where every face is real."""
        return self.LEVELS.get(Environment(self.environment), Level.NEUTRAL)
