"""The worker's work, step by step, and the clocks that it waits for."""

import os
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now

from importers.forwarding.claims import Leases
from importers.forwarding.completion import lock
from importers.gateway import environments
from importers.local_persona import LocalPersona
from importers.models import Attempt, Batch, Exchange, FaceList, Gateway, Import
from importers.worker import jobs


class Clock:
    """Persona's clock, which may differ from ours."""

    ahead = timedelta()

    def __init__(self) -> None:
        self._machine = time.time  # a test may move our own clock later

    def __call__(self) -> float:
        return self._machine() + self.ahead.total_seconds()


def environment_beside(persona: LocalPersona, media: Path) -> dict[str, str]:
    """The environment of a process with the database, images and Persona of the test."""
    name = str(database.settings_dict["NAME"])
    url = f"sqlite:///{name}"
    if database.vendor != "sqlite":
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=name).geturl()
    return os.environ | {
        "DEBUG": "True",
        "DATABASE_URL": url,
        "MEDIA_STORAGE": f"file:{media}",
        "PERSONA_BASE_URL": persona.url,
        "PERSONA_API_KEY": persona.key,
    }


def states_of(sent: Import) -> list[str]:
    return list(sent.batches.order_by("number").values_list("state", flat=True))


def every_image_is_there_once(persona: LocalPersona, sent: Import) -> bool:
    arrived = [file.sha256 for entry in persona.ledger() for file in entry.files]
    return sorted(arrived) == sorted(sent.files.values_list("sha256", flat=True))


def time_passes() -> None:
    """End every wait: of batches, their sends, held lists, polling, the gateway and its limit."""
    with transaction.atomic():
        lock(Batch.objects.values_list("pk", flat=True))  # several threads may let time pass
        Batch.objects.update(next_attempt_at=Now())
        Attempt.objects.filter(settled_at__gt=Now()).update(settled_at=Now())
    FaceList.objects.update(held_until=None)
    Gateway.objects.update(**dict.fromkeys(("retry_at", "rate_resets_at", "next_poll_at")))
    share_is_used(0)


def share_is_used(requests: int, seconds_ago: float = 0) -> None:
    """Use so many requests of our rate budget, now or so many seconds ago."""
    Gateway.objects.get_or_create(environment=environments.current())
    Exchange.objects.update(ended_at=Now() - timedelta(days=1))
    ended_at = Now() - timedelta(seconds=seconds_ago)
    for _ in range(requests):
        Exchange.objects.create(environment=environments.current(), ended_at=ended_at)


def forward(rounds: int = 100) -> None:
    """Do the worker's work without its pauses, until nothing is left to do."""
    for _ in range(rounds):
        Batch.objects.update(next_attempt_at=Now())
        Attempt.objects.filter(settled_at__gt=Now()).update(settled_at=Now())
        Gateway.objects.update(next_poll_at=None)
        if not jobs.step(Leases("the test's worker")):
            return
