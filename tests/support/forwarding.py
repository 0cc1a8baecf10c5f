"""Doing the worker's work step by step, and moving the clocks that it waits for."""

import os
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection as database
from django.db.models.functions import Now

from importers import pacing
from importers.forwarding import worker
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Import, PersonaLine


class Clock:
    """Persona's clock, which may go another way than ours."""

    ahead = timedelta()

    def __init__(self) -> None:
        self._machine = time.time  # a test may have ours jump

    def __call__(self) -> float:
        return self._machine() + self.ahead.total_seconds()


def environment_beside(persona: LocalPersona, media: Path) -> dict[str, str]:
    """For a process beside the test: the same database, images and Persona."""
    name = str(database.settings_dict["NAME"])
    own = f"sqlite:///{name}"
    if database.vendor != "sqlite":
        own = urlsplit(os.environ["DATABASE_URL"])._replace(path=name).geturl()
    return os.environ | {
        "DEBUG": "True",
        "DATABASE_URL": own,
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
    """Every wait is over: of batches, of held lists, of polling, of the line and of its limit."""
    Batch.objects.update(next_attempt_at=Now())
    FaceList.objects.update(held_until=None)
    waits = dict.fromkeys(("paused_until", "resets_at", "next_poll_at"))
    PersonaLine.objects.update(recent={}, **waits)


def share_is_used(requests: int, seconds_ago: int = 0) -> None:
    """So many requests of our share were taken just now, or so long ago."""
    PersonaLine.objects.update(recent={tick(seconds_ago): requests} if requests else {})


def tick(seconds_ago: int) -> int:
    return int(time.time() * pacing.TICKS) - seconds_ago * pacing.TICKS


def forward(rounds: int = 100) -> None:
    """Does the worker's work, without its pauses, until there is nothing left to do."""
    for _ in range(rounds):
        Batch.objects.update(next_attempt_at=Now())
        PersonaLine.objects.update(next_poll_at=None)
        if not worker.step("the test's worker"):
            return
