"""Storms at Persona: each image arrives once, and hardly any batch is left to a person.

`make soak` runs many seeds of each, on both databases.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from importers.local_persona import LocalPersona
from tests.support.faces import write_faces
from tests.support.people import PASSWORD
from tests.support.product import Product, product
from tests.support.storms import (
    MIXED_READS,
    MIXED_SENDS,
    OUTAGE_READS,
    OUTAGE_SENDS,
    TIMEOUT_SECONDS,
    Storm,
)

SOAK = "SOAK" in os.environ
# A storm strikes three requests in ten; an outage is as long as thirty of its first waits.
IMAGES, OUTAGE_SECONDS, MIXED_SHARE = 160 if SOAK else 10, 18, 0.3
SENT_FIRST = 12  # three batches
IMAGES_PER_BATCH, SENT_BEFORE_AN_OUTAGE, IN_FLIGHT = 5, 2, 2
SEEDS = range(1, 31) if SOAK else range(1, 2)
DATABASES = ["sqlite", "postgresql"] if SOAK else ["sqlite"]
MOST_LEFT_TO_PEOPLE = 0.05  # of the mixed storms
PATIENCE_SECONDS, CHECK_EVERY_SECONDS = 600, 0.02
SENT_IMAGES = """
    SELECT importer_id, CAST(importer_among AS TEXT), sha256
    FROM importers_image JOIN importers_batch ON importers_batch.id = batch_id
    WHERE importers_batch.state = 'done'
"""
Weather = Callable[[LocalPersona], None]


@contextmanager
def workers_in_a_storm(
    folder: Path, server: str, storm: Storm
) -> Iterator[tuple[Product, LocalPersona, list[subprocess.Popen[bytes]]]]:
    """Two requests at a time: two threads of one worker, or two workers on PostgreSQL."""
    with (
        LocalPersona(delay=0.2, rate_limit=None) as persona,
        product(
            *(folder, persona.url, PASSWORD),
            server=server,
            PERSONA_RATE_SHARE="1",
            BATCH_MAX_IMAGES=str(IMAGES_PER_BATCH),
            PERSONA_TIMEOUT_SECONDS=str(TIMEOUT_SECONDS),
        ) as installed,
    ):
        face_list = persona.add_list("Known fraud")
        send_some_batches(installed, folder, face_list)
        installed.import_faces(folder / "faces", face_list)
        persona.faults = storm
        threads = ["1", "1"] if server else ["2"]
        workers = [installed.start_hurried_worker("--drain", "--threads", n) for n in threads]
        yield installed, persona, workers


def send_some_batches(installed: Product, folder: Path, face_list: str) -> None:
    """Write every face, and send a first few: afterwards it is known that counts add up."""
    (folder / "first").mkdir()
    for path in write_faces(folder / "faces", IMAGES + SENT_FIRST)[IMAGES:]:
        path.rename(folder / "first" / path.name)
    installed.import_faces(folder / "first", face_list)
    assert installed.start_hurried_worker("--drain").wait(PATIENCE_SECONDS) == 0


def batches_left_to_people(folder: Path, server: str, storm: Storm, weather: Weather) -> int:
    """Let the storm pass, check every image, and return how many batches wait for a person."""
    with workers_in_a_storm(folder, server, storm) as (installed, persona, workers):
        weather(persona)
        assert [worker.wait(PATIENCE_SECONDS) for worker in workers] == [0] * len(workers)
        assert_each_image_arrived_once_at_most(persona)
        assert_done_batches_have_their_importers(installed, persona)
        installed.manage("verify_audit")
        left = installed.rows("SELECT problem FROM importers_batch WHERE state <> 'done'")
        assert {problem for (problem,) in left} <= {"ambiguous"}
        return len(left)


def assert_each_image_arrived_once_at_most(persona: LocalPersona) -> None:
    arrived = [file.sha256 for entry in persona.ledger() for file in entry.files]
    assert len(arrived) == len(set(arrived))


def assert_done_batches_have_their_importers(installed: Product, persona: LocalPersona) -> None:
    """Each image is in the importer of its batch, or in one of those that its batch names."""
    owner = {file.sha256: row.importer_id for row in persona.ledger() for file in row.files}
    rows = installed.rows(SENT_IMAGES)
    assert [row for row in rows if owner.get(row[2]) not in (row[0], *json.loads(row[1]))] == []


def calm(persona: LocalPersona) -> None:
    """The storm lasts until every batch has ended."""


@pytest.fixture(params=DATABASES)
def server(request: pytest.FixtureRequest) -> str:
    """The address of PostgreSQL, or "" for SQLite."""
    return request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""


def test_mixed_storms_end_without_a_person(tmp_path: Path, server: str) -> None:
    left = []
    for seed in SEEDS:
        (folder := tmp_path / str(seed)).mkdir()
        storm = Storm(seed, MIXED_SENDS, MIXED_READS)
        storm.share = MIXED_SHARE
        left.append(batches_left_to_people(folder, server, storm, calm))
    # A single storm can show only that nothing is lost or doubled.
    assert sum(count > 0 for count in left) <= max(1, len(left) * MOST_LEFT_TO_PEOPLE), left


@pytest.mark.skipif(not SOAK, reason="The soak waits through outages; a mixed storm is shorter")
def test_outage_leaves_at_most_what_was_in_flight_to_a_person(tmp_path: Path, server: str) -> None:
    left = []
    for seed in SEEDS:
        (folder := tmp_path / str(seed)).mkdir()
        storm = Storm(seed, OUTAGE_SENDS, OUTAGE_READS)

        def outage(persona: LocalPersona, storm: Storm = storm) -> None:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(persona.ledger()) < SENT_BEFORE_AN_OUTAGE:
                assert time.monotonic() < deadline
                threading.Event().wait(CHECK_EVERY_SECONDS)
            storm.share = 1
            threading.Event().wait(OUTAGE_SECONDS)
            storm.share = 0

        left.append(batches_left_to_people(folder, server, storm, outage))
    assert max(left) <= IN_FLIGHT, left
