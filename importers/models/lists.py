from django.db import models

from importers.models.environments import Environment
from importers.models.levels import Level


class FaceList(models.Model):
    """One of Persona's face lists (`list/face`), as last read from Persona or added by a person.

    Until `held_until` nothing is sent to the list, because Persona refused it (`problem`, in
    Persona's words).
    """

    class State(models.TextChoices):
        """Computed by `state`, never stored."""

        REFUSED = "refused", "Refused by Persona"
        ARCHIVED = "archived", "Archived"
        ACTIVE = "active", "Active"
        UNCONFIRMED = "unconfirmed", "Not confirmed"

    LEVELS = {State.ACTIVE: Level.SUCCESS, State.REFUSED: Level.ERROR}

    environment = models.CharField(max_length=10, choices=Environment)
    persona_id = models.CharField(max_length=100)
    name = models.CharField(max_length=200, blank=True)
    archived = models.BooleanField(default=False)
    read_at = models.DateTimeField(null=True, help_text="When it was last read from Persona.")
    problem = models.TextField(blank=True)
    problem_since = models.DateTimeField(null=True)
    refusals = models.PositiveIntegerField(default=0)
    held_until = models.DateTimeField(null=True)
    needs_approval = models.BooleanField(
        default=False, help_text="a second person approves each import before it is sent"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "persona_id"], name="one_row_per_list_and_environment"
            )
        ]
        ordering = ["archived", "name", "persona_id"]

    def __str__(self) -> str:
        return self.name or self.persona_id

    @property
    def state(self) -> State:
        if self.problem:
            return self.State.REFUSED
        if self.archived:
            return self.State.ARCHIVED
        return self.State.ACTIVE if self.read_at else self.State.UNCONFIRMED

    @property
    def level(self) -> Level:
        return self.LEVELS.get(self.state, Level.NEUTRAL)
