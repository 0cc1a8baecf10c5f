from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

SEEN_WITHIN = timedelta(minutes=1)  # several heartbeats


class Worker(models.Model):
    """A worker process and when it last reported."""

    name = models.CharField(max_length=100, unique=True)
    seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


def worker_is_seen() -> bool:
    """Return True if any worker reported within the last minute."""
    return Worker.objects.filter(seen_at__gt=Now() - SEEN_WITHIN).exists()
