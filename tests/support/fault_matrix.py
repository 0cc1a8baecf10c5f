"""The fault matrix: an import that a fault strikes, and the invariants that hold after any fault.

The invariants read plain SQL, so that they can be checked from outside a killed product too.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from pytest_django import Settings

from importers.audit import verification
from importers.audit.actors import Actor
from importers.consent import manifest
from importers.local_persona import LocalPersona
from importers.models import Batch, Import
from tests.support.forwarding import Clock
from tests.support.wire import Wire

State = Batch.State
Query = Callable[[str], list[tuple[Any, ...]]]
OWNER = "the test's worker"
HOUR = timedelta(hours=1)
IMAGES = """
    SELECT sha256, importer_id, problem, problem_detail
    FROM importers_image JOIN importers_batch batch ON batch.id = batch_id
"""
ENTRIES = """
    SELECT batch.face_import_id, manifest_sha256, sha256, subject_reference, case_reference,
        listing_reason, note
    FROM importers_image JOIN importers_batch batch ON batch.id = batch_id
    JOIN importers_attestation signed ON signed.face_import_id = batch.face_import_id
"""
BATCHES = """
    SELECT batch.state, face_import.state, batch.problem, problem_detail, persona_status,
        next_attempt_at, lease_until, held_until,
        (SELECT max(retry_at) FROM importers_gateway)
    FROM importers_batch batch
    JOIN importers_import face_import ON face_import.id = face_import_id
    JOIN importers_facelist list ON list.id = face_list_id
"""


@dataclass(frozen=True)
class World:
    """An import of three images in one batch, and everything that a fault can strike."""

    persona: LocalPersona
    wire: Wire
    clock: Clock
    sent: Import
    actor: Actor
    settings: Settings
    monkeypatch: pytest.MonkeyPatch

    @property
    def batch(self) -> Batch:
        return self.sent.batches.get()

    def mend(self) -> None:
        self.persona.faults.clear()
        self.settings.PERSONA_BASE_URL = self.wire.url
        self.settings.PERSONA_API_KEY = self.persona.key
        self.settings.PERSONA_TIMEOUT_SECONDS = 60

    def invariants_hold(self) -> bool:
        return invariants_hold(query, self.wire)


def query(sql: str) -> list[tuple[Any, ...]]:
    """The rows of the test's own database."""
    with database.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def invariants_hold(rows: Query, wire: Wire, *, check_audit: bool = True) -> bool:
    """Return True, or fail at the first invariant that is broken.

    Without `check_audit` the caller has verified the audit trail of a product in other processes.
    """
    _each_image_arrived_once_or_has_a_problem(rows, wire)
    _each_key_was_sent_with_one_content(wire)
    _all_sent_images_are_attested(rows, wire)
    _each_batch_has_a_next_step(rows)
    assert not check_audit or list(verification.find_breaks()) == []
    return True


def _each_image_arrived_once_or_has_a_problem(rows: Query, wire: Wire) -> None:
    """So no image is at Persona under two keys either."""
    arrived = defaultdict(list)
    for entry in wire.ledger():
        for file in entry.files:
            arrived[file.sha256].append((entry.importer_id, entry.idempotency_key))
    images = rows(IMAGES)
    assert arrived.keys() <= {sha256 for sha256, *_ in images}
    for sha256, importer_id, problem, sentence in images:
        assert len(arrived[sha256]) <= 1, "an image was imported twice"
        if arrived[sha256]:
            assert importer_id in ("", arrived[sha256][0][0])
        else:
            assert importer_id == ""
            assert all((problem, sentence)), "an image did not arrive, and its batch has no problem"


def _each_key_was_sent_with_one_content(wire: Wire) -> None:
    contents = defaultdict(set)
    for sent in wire.sent:
        if sent.content:
            contents[sent.key].add(sent.content)
    assert set(map(len, contents.values())) <= {1}


def _all_sent_images_are_attested(rows: Query, wire: Wire) -> None:
    manifests: defaultdict[Any, dict[str, str]] = defaultdict(dict)
    for face_import, attested, sha256, *entry, note in rows(ENTRIES):
        line = "\t".join((sha256, sha256, *entry, hashlib.sha256(note.encode()).hexdigest()))
        manifests[face_import, attested][sha256] = line
    signed = {
        sha256
        for (_, attested), lines in manifests.items()
        if manifest.digest(sorted(lines.values())) == attested
        for sha256 in lines
    }
    assert {sha256 for sent in wire.sent for sha256 in sent.hashes} <= signed


def _each_batch_has_a_next_step(rows: Query) -> None:
    """It has ended, is due within an hour, or a person is asked with a problem and a sentence."""
    soon = datetime.now(UTC) + HOUR
    for state, of_import, problem, sentence, persona_status, due, lease, *holds in rows(BATCHES):
        if state == State.FAILED:
            assert all((problem, sentence))
        elif state == State.ERRORED:
            assert persona_status
        elif state == State.SENDING:
            assert lease is not None
            assert _moment(lease) < soon
        elif state != State.DONE:
            assert of_import == Import.State.FORWARDING
            assert all(_moment(wait) < soon for wait in (due, *holds) if wait)


def _moment(value: Any) -> datetime:
    """SQLite returns text."""
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
