"""Workers that send side by side, and workers killed at any moment: each image arrives once.

`make soak` kills many more of them, under the lease of production.
"""

import os
import random
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from importers.local_persona import IMPORT, LocalPersona
from tests.support.delays import random_delays
from tests.support.faces import write_faces
from tests.support.outcome import (
    assert_each_image_sent_once,
    assert_rows_match_ledger,
    most_requests_within,
    sends,
)
from tests.support.people import PASSWORD
from tests.support.product import Product, product

SOAK = "SOAK" in os.environ
IMAGES, IN_A_BATCH, KILLS, LEASE_SECONDS = (5_000, 10, 60, 45) if SOAK else (90, 3, 3, 5)
RUNS = [("sqlite", 2, 0.5), ("postgresql", 2, 0.5), *([("sqlite", 1, 0.2)] if SOAK else [])]
LONGEST_LIFE_SECONDS = 1.0
CHECK_EVERY_SECONDS = 0.05
PATIENCE_SECONDS = 300
BATCHES, RATE_LIMIT, WINDOW_SECONDS = 64, 100, 10


def start_workers(installed: Product, count: int) -> list[subprocess.Popen[bytes]]:
    return [installed.start_worker("--drain", "--threads", "2") for _ in range(count)]


def kill_workers(installed: Product, count: int, delays: random.Random) -> int:
    """Keep `count` workers running, kill one after another, and return how many were killed."""
    living = start_workers(installed, count)
    killed = 0
    while killed < KILLS:
        victim = living.pop(delays.randrange(count))
        wait_until_registered(installed, victim)
        threading.Event().wait(delays.uniform(0, LONGEST_LIFE_SECONDS))
        if victim.poll() is not None:
            living.append(victim)
            break
        installed.kill(victim)
        killed += 1
        living += start_workers(installed, 1)
    assert exit_statuses(living) == [0] * count
    return killed


def wait_until_registered(installed: Product, worker: subprocess.Popen[bytes]) -> None:
    row = f"SELECT 1 FROM importers_worker WHERE name LIKE '%:{worker.pid}:%'"  # noqa: S608
    deadline = time.monotonic() + PATIENCE_SECONDS
    while worker.poll() is None and not installed.rows(row):
        assert time.monotonic() < deadline
        threading.Event().wait(CHECK_EVERY_SECONDS)


def exit_statuses(workers: list[subprocess.Popen[bytes]]) -> list[int]:
    return [worker.wait(PATIENCE_SECONDS) for worker in workers]


@pytest.mark.parametrize(("kind", "workers", "answer_seconds"), RUNS)
def test_killed_workers_lose_and_duplicate_no_image(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, workers: int, answer_seconds: float
) -> None:
    server = request.getfixturevalue("postgresql_url") if kind == "postgresql" else ""
    with (
        random_delays() as delays,
        LocalPersona(delay=0, rate_limit=10_000) as persona,
        product(
            *(tmp_path, persona.url, PASSWORD),
            server=server,
            PERSONA_RATE_SHARE="1",
            BATCH_MAX_IMAGES=str(IN_A_BATCH),
            BATCH_LEASE_SECONDS=str(LEASE_SECONDS),
        ) as installed,
    ):
        write_faces(tmp_path / "faces", IMAGES)
        installed.import_faces(tmp_path / "faces", persona.add_list("Known fraud"))
        persona.faults.inject("slow", None, IMPORT, seconds=answer_seconds)
        killed = kill_workers(installed, workers, delays)

        assert_each_image_sent_once(installed, persona, IMAGES)
        # Persona answers 400 when a key comes with other images.
        assert {request.status for request in sends(persona)} <= {201, 409, None}
        assert_rows_match_ledger(installed, persona)
        installed.manage("verify_audit")
        keys = Counter(request.headers["idempotency-key"] for request in sends(persona))
        sent_again = [key for key, times in keys.items() if times > 1]
        assert killed >= KILLS / 2
        assert len(sent_again) >= killed / 2, "too few were killed while a request was in flight"


def test_two_workers_send_each_batch_once_within_the_rate_share(
    postgresql_url: str, tmp_path: Path
) -> None:
    with (
        LocalPersona(delay=0, rate_limit=RATE_LIMIT, window_seconds=WINDOW_SECONDS) as persona,
        product(
            *(tmp_path, persona.url, PASSWORD),
            server=postgresql_url,
            PERSONA_RATE_SHARE="0.5",
            PERSONA_RATE_WINDOW_SECONDS=str(WINDOW_SECONDS),
            BATCH_MAX_IMAGES="1",
        ) as installed,
    ):
        write_faces(tmp_path / "faces", BATCHES)
        installed.import_faces(tmp_path / "faces", persona.add_list("Known fraud"))
        assert exit_statuses(start_workers(installed, 2)) == [0, 0]

        assert_each_image_sent_once(installed, persona, BATCHES)
        assert_rows_match_ledger(installed, persona)
        assert installed.rows("SELECT DISTINCT attempts FROM importers_batch") == [(1,)]
        assert len(sends(persona)) == BATCHES
        assert {request.status for request in persona.requests()} == {200, 201}
        assert most_requests_within(persona, WINDOW_SECONDS) <= RATE_LIMIT / 2
