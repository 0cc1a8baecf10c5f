"""Several workers at once, and workers killed at any moment: every image reaches Persona once.

`make soak` takes longer over it, and waits for the leases of killed workers to run out.
"""

import os
import random
import secrets
import subprocess
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from importers.local_persona import IMPORT, LocalPersona, SeenRequest
from tests.journeys.test_browser import write
from tests.support.people import PASSWORD
from tests.support.product import Product, product

SOAK = "SOAK" in os.environ
IMAGES, KILLS = (5_000, 60) if SOAK else (1_000, 8)
PLACES = [("sqlite", 2, 0.5), ("postgresql", 2, 0.5), *([("sqlite", 1, 0.2)] if SOAK else [])]
IN_HAND_SECONDS = 3  # longer than Persona is at work on what a killed worker has sent
LONGEST_LIFE_SECONDS = 1.0
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 300
BATCHES = """
    SELECT importer_id, idempotency_key, state, image_count, successful_count, duplicate_count,
        error_count FROM importers_batch
"""
IMAGES_SENT = """
    SELECT importer_id, sha256
    FROM importers_image JOIN importers_batch ON importers_batch.id = batch_id
"""


@contextmanager
def chance() -> Iterator[random.Random]:
    """Whoever sees it fail is told how to see the same delays again."""
    seed = int(os.environ.get("KILL_SEED", secrets.randbits(32)))
    try:
        yield random.Random(seed)  # noqa: S311
    except BaseException as failure:
        failure.add_note(f"These delays come again with KILL_SEED={seed}")
        raise


def start_workers(installed: Product, count: int) -> list[subprocess.Popen[bytes]]:
    return [installed.start_worker("--drain", "--threads", "2") for _ in range(count)]


def kill_again_and_again(installed: Product, workers: int, delays: random.Random) -> int:
    """Kills one worker after another at its work, until that is done; how many it killed."""
    living = start_workers(installed, workers)
    killed = 0
    while killed < KILLS:
        victim = living.pop(delays.randrange(workers))
        wait_until_it_works(installed, victim)
        threading.Event().wait(delays.uniform(0, LONGEST_LIFE_SECONDS))
        if victim.poll() is not None:
            living.append(victim)
            break
        installed.kill(victim)
        killed += 1
        living += start_workers(installed, 1)
        if not SOAK:
            shorten_leases_of(victim, installed)
    assert ended(living) == [0] * workers
    return killed


def wait_until_it_works(installed: Product, worker: subprocess.Popen[bytes]) -> None:
    seen = f"SELECT 1 FROM importers_worker WHERE name LIKE '%:{worker.pid}:%'"  # noqa: S608
    deadline = time.monotonic() + PATIENCE_SECONDS
    while worker.poll() is None and not installed.rows(seen):
        assert time.monotonic() < deadline
        threading.Event().wait(LOOK_SECONDS)


def shorten_leases_of(killed: subprocess.Popen[bytes], installed: Product) -> None:
    """Until Persona has surely dealt with what it sent: nobody is to wait longer for the dead."""
    until = datetime.now(UTC) + timedelta(seconds=IN_HAND_SECONDS)
    installed.rows(
        f"UPDATE importers_batch SET lease_until = '{until}' "  # noqa: S608
        f"WHERE state = 'sending' AND lease_owner LIKE '%:{killed.pid}:%'"
    )


def ended(workers: list[subprocess.Popen[bytes]]) -> list[int]:
    return [worker.wait(PATIENCE_SECONDS) for worker in workers]


def sends(persona: LocalPersona) -> list[SeenRequest]:
    return [request for request in persona.requests() if request.method == "POST"]


def every_image_is_at_persona_once(installed: Product, persona: LocalPersona, count: int) -> bool:
    """By Persona's own ledger, in which a key that is used again is no second entry."""
    at_persona = [(row.importer_id, file.sha256) for row in persona.ledger() for file in row.files]
    assert sorted(installed.rows(IMAGES_SENT)) == sorted(at_persona)
    return len({sha256 for _, sha256 in at_persona}) == len(at_persona) == count


def the_rows_agree_with(persona: LocalPersona, installed: Product) -> bool:
    told = [
        (row.importer_id, UUID(row.idempotency_key), len(row.files)) for row in persona.ledger()
    ]
    expected = [(importer, key, "done", sent, sent, 0, 0) for importer, key, sent in told]
    rows = [(importer, UUID(str(key)), *rest) for importer, key, *rest in installed.rows(BATCHES)]
    assert sorted(rows) == sorted(expected)
    return installed.rows("SELECT state FROM importers_import") == [("completed",)]


def no_key_went_out_with_other_images(persona: LocalPersona) -> bool:
    """Persona refuses that with 400."""
    return {request.status for request in sends(persona)} <= {201, 409, None}


@pytest.mark.parametrize(("kind", "workers", "answer_seconds"), PLACES)
def test_workers_killed_again_and_again_lose_and_double_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, workers: int, answer_seconds: float
) -> None:
    server = request.getfixturevalue("postgresql_url") if kind == "postgresql" else ""
    with (
        chance() as delays,
        LocalPersona(delay=0, rate_limit=10_000) as persona,
        product(
            *(tmp_path, persona.url, PASSWORD),
            server=server,
            PERSONA_RATE_SHARE="1",
            BATCH_MAX_IMAGES="10",
        ) as installed,
    ):
        write(tmp_path / "faces", IMAGES)
        installed.import_faces(tmp_path / "faces", persona.add_list("Known fraud"))
        persona.faults.inject("slow", None, IMPORT, seconds=answer_seconds)
        killed = kill_again_and_again(installed, workers, delays)

        assert every_image_is_at_persona_once(installed, persona, IMAGES)
        assert no_key_went_out_with_other_images(persona)
        assert the_rows_agree_with(persona, installed)
        installed.manage("verify_audit")
        keys = Counter(request.headers["idempotency-key"] for request in sends(persona))
        sent_again = [key for key, times in keys.items() if times > 1]
        assert killed >= KILLS / 2
        assert len(sent_again) >= killed / 2, "too few were killed while a request was in flight"


def test_two_workers_send_each_of_200_batches_once_and_keep_to_the_share(
    postgresql_url: str, tmp_path: Path
) -> None:
    with (
        LocalPersona(delay=0, rate_limit=300) as persona,
        product(
            *(tmp_path, persona.url, PASSWORD),
            server=postgresql_url,
            PERSONA_RATE_SHARE="0.5",
            BATCH_MAX_IMAGES="1",
        ) as installed,
    ):
        write(tmp_path / "faces", 200)
        installed.import_faces(tmp_path / "faces", persona.add_list("Known fraud"))
        assert ended(start_workers(installed, 2)) == [0, 0]

        assert every_image_is_at_persona_once(installed, persona, 200)
        assert the_rows_agree_with(persona, installed)
        assert installed.rows("SELECT DISTINCT attempts FROM importers_batch") == [(1,)]
        assert len(sends(persona)) == 200
        assert {request.status for request in persona.requests()} == {200, 201}
        assert most_requests_in_a_minute(persona) <= 150


def most_requests_in_a_minute(persona: LocalPersona) -> int:
    """In whatever 60 seconds, as they reached Persona."""
    times = sorted(request.time for request in persona.requests())
    return max(bisect_left(times, begin + 60) - n for n, begin in enumerate(times))
