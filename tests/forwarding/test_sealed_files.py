"""Only the attested bytes are sent: broken seals, and storage that cannot be read."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.sending import send_next
from importers.gateway import rate_limit
from importers.imaging.inspection import digest
from importers.local_persona import LocalPersona
from importers.models import Attestation, AuditEvent, Batch, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.batches import OWNER, sends, stored_path, the_only, worker_actions
from tests.support.forwarding import every_image_is_there_once, forward, states_of, time_passes
from tests.support.pictures import draw

Make = Callable[..., Import]
State = Batch.State
Tampering = Callable[[Image], None]
pytestmark = pytest.mark.django_db


def change_one_byte(image: Image) -> None:
    data = bytearray(stored_path(image).read_bytes())
    data[len(data) // 2] ^= 1
    stored_path(image).write_bytes(data)


def swap_stored_file(image: Image) -> None:
    other = image.face_import.files.exclude(pk=image.pk)[0]
    Image.objects.filter(pk=image.pk).update(storage_key=other.storage_key)


def remove_from_batch(image: Image) -> None:
    Image.objects.filter(pk=image.pk).update(batch=None)


def replace_bytes_and_hash(image: Image) -> None:
    data = draw(1234)
    stored_path(image).write_bytes(data)
    Image.objects.filter(pk=image.pk).update(sha256=digest(data))


def add_image(image: Image) -> None:
    Image.objects.create(
        face_import=image.face_import,
        batch=image.batch,
        original_name="late.jpg",
        byte_size=1,
        sha256="0" * 64,
        state=Image.State.ACCEPTED,
    )


def change_attestation(image: Image) -> None:
    Attestation.objects.filter(face_import=image.face_import_id).update(purpose="Something else.")


def change_signature(image: Image) -> None:
    Attestation.objects.filter(face_import=image.face_import_id).update(typed_name="Someone Else")


class TestBrokenSeal:
    @pytest.mark.parametrize(
        ("tampering", "reason"),
        [
            (change_one_byte, "is not the one that was attested."),
            (swap_stored_file, "is not the one that was attested."),
            (remove_from_batch, "does not hold the images that it was cut with."),
        ],
    )
    def test_altered_image_fails_only_its_batch(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        settings: Settings,
        tampering: Tampering,
        reason: str,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        sent = make_import(known_list)
        image = Image.objects.get(batch__number=2)
        tampering(image)
        forward()
        one, two, three = sent.batches.order_by("number")
        assert (one.state, two.state, three.state) == (State.DONE, State.FAILED, State.DONE)
        assert two.problem == "seal_broken"
        assert two.problem_detail.endswith(reason)
        assert image.original_name not in two.problem_detail
        sent_hashes = {file.sha256 for entry in persona.ledger() for file in entry.files}
        assert sent_hashes == {Image.objects.get(batch=batch).sha256 for batch in (one, three)}
        assert len(sends(persona)) == 2
        sent.refresh_from_db()
        assert sent.state == Import.State.NEEDS_ATTENTION

    def test_image_of_another_import_is_not_sent(
        self,
        persona: LocalPersona,
        make_import: Make,
        make_draft: Make,
        known_list: FaceList,
    ) -> None:
        """It replaces an attested one, so that the number of images fits."""
        sent = make_import(known_list, images=1)
        unsigned = make_draft(known_list, 1, first_seed=50).files.get()
        sent.files.update(batch=None)
        Image.objects.filter(pk=unsigned.pk).update(batch=the_only(sent))
        forward()
        assert sends(persona) == []
        assert (the_only(sent).state, the_only(sent).problem) == (State.FAILED, "seal_broken")

    @pytest.mark.parametrize(
        ("tampering", "reason"),
        [
            (
                replace_bytes_and_hash,
                "The import's images or entries are not those that were attested.",
            ),
            (add_image, "The import's images or entries are not those that were attested."),
            (change_attestation, "The attestation was changed after it was sealed."),
            (change_signature, "The attestation was changed after it was sealed."),
        ],
    )
    def test_altered_import_is_not_sent(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        settings: Settings,
        tampering: Tampering,
        reason: str,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        sent = make_import(known_list)
        tampering(Image.objects.get(batch__number=2))
        other = make_import(known_list, images=1, first_seed=10)
        forward()
        assert [(batch.state, batch.problem_detail) for batch in sent.batches.all()] == [
            (State.FAILED, reason)
        ] * 3
        assert [entry.files[0].sha256 for entry in persona.ledger()] == [other.files.get().sha256]
        sent.refresh_from_db()
        other.refresh_from_db()
        assert (sent.state, other.state) == (
            Import.State.NEEDS_ATTENTION,
            Import.State.COMPLETED,
        )

    @pytest.mark.parametrize(
        "change", [{"sha256": "0" * 64}, {"case_reference": "FR-2"}, {"note": "Another person."}]
    )
    def test_image_altered_while_its_import_is_sent_is_held_back(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        settings: Settings,
        change: dict[str, str],
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        sent = make_import(known_list)
        assert send_next(Leases(OWNER))
        Image.objects.filter(batch__number=2).update(**change)
        forward()
        assert states_of(sent) == [State.DONE, State.FAILED, State.DONE]
        assert sent.batches.get(number=2).problem == "seal_broken"
        assert len(sends(persona)) == 2

    def test_attestation_altered_while_its_import_is_sent_stops_it(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        sent = make_import(known_list)
        assert send_next(Leases(OWNER))
        change_attestation(sent.files.all()[0])
        forward()
        assert states_of(sent) == [State.DONE, State.FAILED, State.FAILED]
        assert len(sends(persona)) == 1

    def test_import_is_read_once_for_all_its_batches(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        sent = make_import(known_list, images=4)
        with CaptureQueriesContext(connection) as asked:
            forward()
        assert states_of(sent) == [State.DONE] * 4
        whole = f'"importers_image"."face_import_id" = {sent.pk}'
        assert len([query for query in asked if whole in query["sql"]]) == 1

    def test_broken_seal_is_in_the_audit_trail(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        change_one_byte(sent.files.all()[0])
        forward()
        assert worker_actions() == ["batch.failed", "import.needs_attention"]
        assert AuditEvent.objects.get(action="batch.failed").details == {"problem": "seal_broken"}

    def test_broken_seal_keeps_the_doubt(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        sent = make_import(known_list)
        persona.faults.inject("drop_made")
        send_next(Leases(OWNER))
        change_one_byte(sent.files.all()[0])
        time_passes()
        send_next(Leases(OWNER))
        assert the_only(sent).problem == "seal_broken"
        assert the_only(sent).may_have_arrived
        assert retry(sent, actor) == 1
        time_passes()
        forward()
        assert the_only(sent).state == State.DONE, "it had arrived"
        assert len(persona.ledger()) == 1

    def test_retry_needs_the_attested_bytes(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        sent = make_import(known_list)
        image = sent.files.all()[0]
        whole = stored_path(image).read_bytes()
        change_one_byte(image)
        forward()
        retry(sent, actor)
        forward()
        assert the_only(sent).problem == "seal_broken"
        stored_path(image).write_bytes(whole)
        retry(sent, actor)
        forward()
        assert the_only(sent).state == State.DONE
        assert len(persona.ledger()) == 1


@pytest.fixture
def unreadable(sent: Import) -> Path:
    """The path of the second batch's image, where a folder now stands in place of the file."""
    place = Path(default_storage.path(Image.objects.get(batch__number=2).storage_key))
    place.rename(place.with_suffix(".aside"))
    place.mkdir()
    return place


def restore_file(place: Path) -> None:
    place.rmdir()
    place.with_suffix(".aside").rename(place)


def seconds_to_next_try(sent: Import) -> float:
    return (sent.batches.get(number=2).next_attempt_at - datetime.now(UTC)).total_seconds()


class TestUnreadableStorage:
    def test_unreadable_image_delays_only_its_batch(
        self, persona: LocalPersona, sent: Import, unreadable: Path
    ) -> None:
        for _ in range(3):
            send_next(Leases(OWNER))
        assert not send_next(Leases(OWNER)), "it is not due yet"
        assert rate_limit.budget("local").used == len(persona.requests()) == 2, (
            "no request was made for it"
        )
        batch = sent.batches.get(number=2)
        key = Image.objects.get(batch=batch).key
        assert states_of(sent) == [State.IMPORTING, State.QUEUED, State.IMPORTING]
        assert batch.problem == "storage_unreadable"
        assert batch.problem_detail == f"Image {key} cannot be read from storage now."
        assert (batch.may_have_arrived, batch.sends.count()) == (False, 0)
        assert len(persona.ledger()) == 2

    def test_unreadable_image_is_tried_again_later(
        self, persona: LocalPersona, sent: Import, unreadable: Path
    ) -> None:
        waits = []
        for _ in range(12):
            forward(rounds=1)
            waits.append(round(seconds_to_next_try(sent)))
        assert waits[1:10] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
        restore_file(unreadable)
        forward()
        assert states_of(sent) == [State.DONE] * 3
        assert sent.batches.get(number=2).problem == ""
        assert every_image_is_there_once(persona, sent)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_unreadable_image_keeps_the_doubt(
        self,
        persona: LocalPersona,
        make_draft: Callable[..., Import],
        known_list: FaceList,
        actor: Actor,
    ) -> None:
        sent = submit(make_draft(known_list, images=1), actor)
        place = Path(default_storage.path(sent.files.get().storage_key))
        persona.faults.inject("drop_made")
        send_next(Leases(OWNER))
        key = sent.batches.get().idempotency_key
        place.rename(place.with_suffix(".aside"))
        place.mkdir()
        time_passes()
        send_next(Leases(OWNER))
        batch = sent.batches.get()
        assert (batch.state, batch.problem) == (State.UNKNOWN, "storage_unreadable")
        assert (batch.may_have_arrived, batch.idempotency_key) == (True, key)
        restore_file(place)
        time_passes()
        forward()
        assert states_of(sent) == [State.DONE]
        assert every_image_is_there_once(persona, sent)

    def test_missing_image_is_sent_once_restored(
        self, persona: LocalPersona, sent: Import, unreadable: Path, actor: Actor
    ) -> None:
        unreadable.rmdir()
        forward()
        batch = sent.batches.get(number=2)
        key = Image.objects.get(batch=batch).key
        assert states_of(sent) == [State.DONE, State.FAILED, State.DONE]
        assert batch.problem == "image_missing"
        assert batch.problem_detail == f"Image {key} is no longer in storage."
        unreadable.with_suffix(".aside").rename(unreadable)
        assert retry(sent, actor) == 1
        forward()
        assert states_of(sent) == [State.DONE] * 3
        assert every_image_is_there_once(persona, sent)
