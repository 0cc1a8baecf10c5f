from django.db import models


class Level(models.TextChoices):
    """Severity of a state or a notice. Pages choose its colour by this alone."""

    NEUTRAL = "neutral"
    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"
