from django.db import models


class Level(models.TextChoices):
    """How much a state or a notice matters; pages set its colour from this alone."""

    NEUTRAL = "neutral"
    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"
