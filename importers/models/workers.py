from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now

SEEN_WITHIN = timedelta(minutes=1)  # several heartbeats


class WorkerQuerySet(models.QuerySet["Worker"]):
    def seen(self) -> Self:
        """Workers that reported within the last minute."""
        return self.filter(seen_at__gt=Now() - SEEN_WITHIN)


class Worker(models.Model):
    """A worker process and when it last reported."""

    name = models.CharField(max_length=100, unique=True)
    seen_at = models.DateTimeField(db_default=Now())

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


def worker_is_seen() -> bool:
    return Worker.objects.seen().exists()
