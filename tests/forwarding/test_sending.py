"""Sending a batch: the request, what is recorded, and refusals that end the batch."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError
from pytest_django import Settings

from importers.audit import verification
from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.sending import send_next
from importers.gateway import client
from importers.imaging.inspection import digest
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Gateway, Import
from importers.persona.client import ImageFile
from importers.worker import jobs
from tests.support.attestations import submit
from tests.support.batches import (
    OWNER,
    Meanwhile,
    die_while_sending,
    keys,
    lease_runs_out,
    sends,
    stored_path,
    the_only,
    worker_actions,
)
from tests.support.broken_database import database_fails_at
from tests.support.files import incoming, receive_one
from tests.support.forwarding import forward, time_passes
from tests.support.pictures import draw
from tests.support.recovery import recover
from tests.support.scripted_persona import PENDING, says
from tests.support.threads import at_once

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State


def test_send_uploads_stored_bytes_in_order(
    persona: LocalPersona, make_draft: Make, known_list: FaceList, actor: Actor
) -> None:
    draft = make_draft(known_list, images=2)
    drawing = draw(7, kind="PNG")
    receive_one(draft, incoming("Jane Doe, 1990-01-01.png", drawing), actor)
    sent = submit(draft, actor)
    forward()
    (entry,) = persona.ledger()
    images = list(sent.files.order_by("pk"))
    assert entry.list_id == known_list.persona_id
    assert [file.sha256 for file in entry.files] == [
        digest(stored_path(image).read_bytes()) for image in images
    ]
    assert [(file.filename, file.content_type) for file in entry.files] == [
        (f"{images[0].key}.jpg", "image/jpeg"),
        (f"{images[1].key}.jpg", "image/jpeg"),
        (f"{images[2].key}.png", "image/png"),
    ]


def test_batch_goes_from_queued_to_done(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    sent = make_import(known_list)
    assert send_next(Leases(OWNER))
    batch = the_only(sent)
    assert (batch.state, batch.persona_status) == (State.IMPORTING, "pending")
    assert batch.importer_id == persona.ledger()[0].importer_id
    assert str(batch.idempotency_key) == persona.ledger()[0].idempotency_key
    assert batch.accepted_at
    assert (batch.attempts, batch.lease_until, batch.lease_owner) == (1, None, "")
    forward()
    batch.refresh_from_db()
    assert (batch.state, batch.persona_status, batch.problem) == (State.DONE, "ready", "")
    assert (batch.successful_count, batch.duplicate_count, batch.error_count) == (3, 0, 0)
    sent.refresh_from_db()
    assert sent.state == Import.State.COMPLETED


def test_import_is_sent_in_one_request_per_batch(
    persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 2
    sent = make_import(known_list, images=5)
    forward()
    hashes = [[file.sha256 for file in entry.files] for entry in persona.ledger()]
    batches = sent.batches.order_by("number")
    assert hashes == [list(b.images.values_list("sha256", flat=True)) for b in batches]
    assert [len(part) for part in hashes] == [2, 2, 1]
    assert len(set(keys(persona))) == 3


def test_sending_is_in_the_audit_trail(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    batch = the_only(make_import(known_list))
    forward()
    assert worker_actions() == [
        *("batch.sending", "batch.accepted", "batch.done", "import.completed")
    ]
    sending = AuditEvent.objects.get(action="batch.sending")
    assert (sending.object_id, sending.details) == (str(batch.pk), {"key": keys(persona)[0]})
    accepted = AuditEvent.objects.get(action="batch.accepted")
    assert accepted.object_id == str(batch.pk)
    assert accepted.details == {"importer": persona.ledger()[0].importer_id}
    assert list(verification.find_breaks()) == []


def test_nothing_is_sent_while_the_audit_trail_cannot_be_written(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    sent = make_import(known_list)
    with (
        database_fails_at('INSERT INTO "importers_auditevent"'),
        pytest.raises(DatabaseError, match="no room"),
    ):
        send_next(Leases(OWNER))
    assert sends(persona) == []
    batch = the_only(sent)
    assert (batch.may_have_arrived, batch.sends.count()) == (False, 0)
    lease_runs_out()
    forward()
    assert the_only(sent).state == State.DONE
    assert len(persona.ledger()) == 1


def test_refused_batch_shows_personas_words(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    persona.faults.inject("unprocessable")
    sent = make_import(known_list)
    other = make_import(known_list, first_seed=10)
    forward()
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.FAILED, "refused")
    assert batch.problem_detail == (
        "Persona answered 422: Unprocessable entity: File must be under 2 bytes"
    )
    exchange = batch.exchanges.get()
    assert (exchange.status, exchange.error_title) == (422, "Unprocessable entity")
    assert exchange.error_detail == "File must be under 2 bytes"
    assert exchange.request_id.startswith("req_")
    assert the_only(other).state == State.DONE
    sent.refresh_from_db()
    assert sent.state == Import.State.NEEDS_ATTENTION


def test_batch_with_a_reused_key_fails(
    persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
) -> None:
    sent = make_import(known_list)
    batch = die_while_sending(sent)
    other = ImageFile("other.jpg", "image/jpeg", draw(99))
    client.persona().import_faces(known_list.persona_id, [other], str(batch.key))
    forward()
    batch.refresh_from_db()
    assert (batch.state, batch.problem) == (State.FAILED, "key_reused")
    assert "Idempotency error" in batch.problem_detail
    assert retry(sent, actor) == 1
    forward()
    batch.refresh_from_db()
    assert (batch.state, batch.problem) == (State.FAILED, "ambiguous"), "its counts do not fit"
    assert len(persona.ledger()) == 1


class TestImporterOfAnotherBatch:
    @pytest.fixture
    def mismatched(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> Import:
        """An import that Persona answered with the importer of the import before it."""
        there = settings.PERSONA_BASE_URL
        make_import(known_list)
        sent = make_import(known_list, first_seed=10)
        row = {"type": "importer/list-item/face", "id": "mprt_0", "attributes": PENDING}
        with says("201 Created", {"data": row}) as server:
            settings.PERSONA_BASE_URL = server.url
            assert send_next(Leases(OWNER))
            assert send_next(Leases(OWNER))
        settings.PERSONA_BASE_URL = there
        return sent

    def test_importer_of_another_batch_is_not_adopted(self, mismatched: Import) -> None:
        batch = the_only(mismatched)
        assert (batch.state, batch.problem) == (State.FAILED, "importer_taken")
        assert "mprt_0" in batch.problem_detail
        assert (batch.importer_id, batch.may_have_arrived) == ("", True)
        assert Batch.objects.get(importer_id="mprt_0").state == State.IMPORTING
        mismatched.refresh_from_db()
        assert mismatched.state == Import.State.NEEDS_ATTENTION

    def test_worker_continues_after_a_wrong_importer(
        self, persona: LocalPersona, mismatched: Import, make_import: Make, known_list: FaceList
    ) -> None:
        other = make_import(known_list, first_seed=20)
        forward(rounds=10)  # the importer of the first is nowhere
        assert the_only(other).state == State.DONE

    def test_retry_after_wrong_importer_starts_recovery(
        self, persona: LocalPersona, mismatched: Import, actor: Actor
    ) -> None:
        key = the_only(mismatched).idempotency_key
        assert retry(mismatched, actor) == 1
        recover()
        assert [seen.method for seen in persona.requests()] == ["GET"]
        forward(rounds=10)
        batch = the_only(mismatched)
        assert batch.state == State.DONE
        assert batch.idempotency_key != key


@pytest.mark.django_db(transaction=True)
class TestManyWorkers:
    def test_no_row_is_locked_while_persona_answers(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        face_list: FaceList,
    ) -> None:
        make_import(face_list, images=1)
        seen: list[str] = []

        def others_write() -> None:
            Batch.objects.update(persona_status="written")
            Gateway.objects.update(rate_limit=299)
            seen.extend(Batch.objects.values_list("state", flat=True))

        interrupted.faults.inject("slow", seconds=1)
        meanwhile.does = others_write
        send_next(Leases(OWNER))
        assert seen == [State.SENDING]

    def test_four_workers_send_every_image_once(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        persona.faults.inject("drop_made", times=2)
        sent = make_import(known_list, images=12)

        def work(name: str) -> None:
            while not jobs.is_drained():
                time_passes()
                jobs.step(Leases(name))

        at_once(4, work)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED
        arrived = [file.sha256 for entry in persona.ledger() for file in entry.files]
        assert sorted(arrived) == sorted(sent.files.values_list("sha256", flat=True))
        assert list(verification.find_breaks()) == []
