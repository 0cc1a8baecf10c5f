"""Sending: what goes over the wire, what is recorded, and what follows each answer."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, transaction
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers import audit, connection, consent, intake
from importers.audit import Actor
from importers.forwarding import send, worker
from importers.forwarding.retry import retry
from importers.forwarding.send import LEASE, claim, keep_leases, send_next
from importers.images import digest
from importers.local_persona import IMPORT, LocalPersona
from importers.models import (
    Attestation,
    AuditEvent,
    Batch,
    Environment,
    Exchange,
    FaceList,
    Image,
    Import,
    PersonaLine,
)
from importers.persona.client import ImageFile
from tests.support.attestations import submit
from tests.support.batches import OWNER, Meanwhile, keys, lease_runs_out, sends, the_only
from tests.support.forwarding import forward, time_passes
from tests.support.pictures import draw
from tests.support.scripted_persona import PENDING, says

Make = Callable[..., Import]
State = Batch.State


@pytest.fixture
def make_import(make_draft: Make, actor: Actor) -> Make:
    """An import that is signed and waits to be sent."""
    return lambda *args, **kwargs: submit(make_draft(*args, **kwargs), actor)


def actions() -> list[str]:
    """What the worker did, in order."""
    told = AuditEvent.objects.filter(actor_name="worker").order_by("pk")
    return list(told.values_list("action", flat=True))


def stored(image: Image) -> Path:
    return Path(default_storage.path(image.storage_key))


class TestABatchThatGoesWell:
    def test_brings_the_stored_bytes_in_order_under_neutral_names(
        self, persona: LocalPersona, make_draft: Make, known_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(known_list, images=2)
        drawing = draw(7, kind="PNG")
        intake.take(draft, "Jane Doe, 1990-01-01.png", drawing, len(drawing), actor)
        sent = submit(draft, actor)
        forward()
        (entry,) = persona.ledger()
        images = list(sent.files.order_by("pk"))
        assert entry.list_id == known_list.persona_id
        assert [file.sha256 for file in entry.files] == [
            digest(stored(image).read_bytes()) for image in images
        ]
        assert [(file.filename, file.content_type) for file in entry.files] == [
            (f"{images[0].key}.jpg", "image/jpeg"),
            (f"{images[1].key}.jpg", "image/jpeg"),
            (f"{images[2].key}.png", "image/png"),
        ]

    def test_goes_from_queued_to_importing_to_done(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        assert send_next(OWNER)
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

    def test_is_sent_in_as_many_requests_as_it_was_cut_into(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        sent = make_import(known_list, images=5)
        forward()
        hashes = [[file.sha256 for file in entry.files] for entry in persona.ledger()]
        batches = sent.batches.order_by("number")
        assert hashes == [list(b.images.values_list("sha256", flat=True)) for b in batches]
        assert [len(part) for part in hashes] == [2, 2, 1]
        assert len(set(keys(persona))) == 3

    def test_leaves_a_row_for_every_exchange(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        forward()
        send, poll = Exchange.objects.order_by("pk")
        assert (send.method, send.path) == ("POST", "/importer/list-item/faces")
        assert (send.status, send.batch) == (201, the_only(sent))
        assert send.request_id.startswith("req_")
        assert (poll.method, poll.path, poll.status) == ("GET", "/importers", 200)
        assert poll.batch is None

    def test_is_told_in_the_audit_trail(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        batch = the_only(make_import(known_list))
        forward()
        assert actions() == ["batch.accepted", "batch.done", "import.completed"]
        accepted = AuditEvent.objects.get(action="batch.accepted")
        assert accepted.object_id == str(batch.pk)
        assert accepted.details == {"importer": persona.ledger()[0].importer_id}
        assert list(audit.breaks()) == []

    def test_is_logged_without_names_and_keys(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        persona.faults.inject("unprocessable")
        make_import(known_list)
        make_import(known_list, first_seed=10)
        with caplog.at_level("DEBUG"):
            forward()
        assert "importer mprt_" in caplog.text
        assert "Persona answered 422" in caplog.text
        assert "face-0" not in caplog.text
        assert persona.key not in caplog.text


def one_byte_is_changed(image: Image) -> None:
    data = bytearray(stored(image).read_bytes())
    data[len(data) // 2] ^= 1
    stored(image).write_bytes(data)


def the_file_is_another_one_s(image: Image) -> None:
    other = image.face_import.files.exclude(pk=image.pk)[0]
    Image.objects.filter(pk=image.pk).update(storage_key=other.storage_key)


def the_image_left_the_batch(image: Image) -> None:
    Image.objects.filter(pk=image.pk).update(batch=None)


def its_hash_is_changed(image: Image) -> None:
    data = draw(1234)
    stored(image).write_bytes(data)
    Image.objects.filter(pk=image.pk).update(sha256=digest(data))


def an_image_is_slipped_in(image: Image) -> None:
    Image.objects.create(
        face_import=image.face_import,
        batch=image.batch,
        original_name="late.jpg",
        byte_size=1,
        sha256="0" * 64,
        state=Image.State.ACCEPTED,
    )


def the_attestation_is_changed(image: Image) -> None:
    Attestation.objects.filter(pk=image.face_import_id).update(purpose="Something else.")


def the_signature_is_another_one_s(image: Image) -> None:
    Attestation.objects.filter(pk=image.face_import_id).update(typed_name="Someone Else")


Tampering = Callable[[Image], None]


class TestABrokenSeal:
    @pytest.mark.parametrize(
        ("tampering", "reason"),
        [
            (one_byte_is_changed, "is not the one that was attested."),
            (the_file_is_another_one_s, "is not the one that was attested."),
            (the_image_left_the_batch, "does not hold the images that it was cut with."),
        ],
    )
    def test_of_one_image_fails_its_batch_and_lets_the_others_go_on(
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
        told = {file.sha256 for entry in persona.ledger() for file in entry.files}
        assert told == {Image.objects.get(batch=batch).sha256 for batch in (one, three)}
        assert len(sends(persona)) == 2
        sent.refresh_from_db()
        assert sent.state == Import.State.NEEDS_ATTENTION

    @pytest.mark.parametrize(
        ("tampering", "reason"),
        [
            (its_hash_is_changed, "The import's images are not those that were attested."),
            (an_image_is_slipped_in, "The import's images are not those that were attested."),
            (the_attestation_is_changed, "The attestation is not as it was sealed."),
            (the_signature_is_another_one_s, "The attestation is not as it was sealed."),
        ],
    )
    def test_of_the_import_sends_nothing_of_it(
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

    def test_is_told_in_the_audit_trail(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        one_byte_is_changed(sent.files.all()[0])
        forward()
        assert actions() == ["batch.failed", "import.needs_attention"]
        assert AuditEvent.objects.get(action="batch.failed").details == {"problem": "seal_broken"}

    def test_that_breaks_after_a_lost_answer_keeps_that_it_may_have_arrived(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        sent = make_import(known_list)
        persona.faults.inject("drop_made")
        send_next(OWNER)
        one_byte_is_changed(sent.files.all()[0])
        time_passes()
        send_next(OWNER)
        assert the_only(sent).problem == "seal_broken"
        assert the_only(sent).may_have_arrived
        assert retry(sent, actor) == 1
        time_passes()
        forward()
        assert the_only(sent).state == State.DONE, "it had arrived"
        assert len(persona.ledger()) == 1


class TestALostAnswer:
    @pytest.mark.parametrize(
        ("fault", "made", "problem"),
        [
            ("drop_before_body", False, "no_answer"),
            ("drop_unmade", False, "no_answer"),
            ("drop_made", True, "no_answer"),
            ("bad_gateway", False, "server_trouble"),
            ("bad_gateway_made", True, "server_trouble"),
            ("unavailable", False, "server_trouble"),
            ("broken_json", True, "server_trouble"),
            ("no_id", True, "server_trouble"),
        ],
    )
    def test_is_followed_by_the_same_bytes_under_the_same_key(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        fault: str,
        made: bool,
        problem: str,
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        assert send_next(OWNER)
        batch = the_only(sent)
        assert (batch.state, batch.may_have_arrived) == (State.UNKNOWN, True)
        assert (batch.problem, batch.look_first) == (problem, False)
        assert len(persona.ledger()) == made
        time_passes()
        forward()
        first, second = sends(persona)
        for header in ("idempotency-key", "content-type", "content-length"):
            assert first.headers[header] == second.headers[header]
        assert first.headers["idempotency-key"] == str(batch.idempotency_key)
        (entry,) = persona.ledger()
        assert len(entry.files) == 3
        batch.refresh_from_db()
        assert (batch.state, batch.importer_id) == (State.DONE, entry.importer_id)
        assert (batch.attempts, batch.problem, batch.problem_detail) == (2, "", "")

    def test_after_a_time_out_makes_no_second_import(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        settings.PERSONA_TIMEOUT_SECONDS = 0.2
        persona.faults.inject("slow", seconds=0.4)
        sent = make_import(known_list)
        send_next(OWNER)
        assert the_only(sent).problem == "no_answer"
        settings.PERSONA_TIMEOUT_SECONDS = 5
        time_passes()
        forward()
        assert the_only(sent).state == State.DONE
        assert len(persona.ledger()) == 1
        assert len(set(keys(persona))) == 1

    def test_is_waited_out_before_the_next_try(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("bad_gateway")
        make_import(known_list)
        send_next(OWNER)
        assert not send_next(OWNER)
        assert len(sends(persona)) == 1

    def test_that_persona_repeats_is_sent_once_more_and_then_looked_for(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("server_error")
        sent = make_import(known_list)
        for looks in (False, True):
            time_passes()
            assert send_next(OWNER)
            batch = the_only(sent)
            assert (batch.state, batch.look_first) == (State.UNKNOWN, looks)
            assert batch.problem_detail == "Persona answered 500: Internal server error"
        assert keys(persona) == [str(batch.idempotency_key)] * 2
        wait = batch.next_attempt_at - datetime.now(UTC)
        assert timedelta(seconds=59) < wait <= timedelta(seconds=60)

    def test_longer_ago_than_the_life_of_a_key_is_looked_for_and_not_sent_again(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        persona.faults.inject("drop_made")
        sent = make_import(known_list)
        send_next(OWNER)
        Batch.objects.update(first_sent_at=F("first_sent_at") - timedelta(hours=1))
        time_passes()
        send_next(OWNER)
        assert [seen.method for seen in persona.requests()] == ["POST", "GET"]
        assert the_only(sent).importer_id == persona.ledger()[0].importer_id
        assert retry(sent, actor) == 0
        time_passes()
        forward()
        assert len(sends(persona)) == 1
        assert the_only(sent).state == State.DONE

    def test_shorter_ago_than_the_life_of_a_key_is_sent_again(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("drop_made")
        sent = make_import(known_list)
        send_next(OWNER)
        nearly = timedelta(hours=1) - LEASE - timedelta(minutes=1)
        Batch.objects.update(first_sent_at=F("first_sent_at") - nearly)
        time_passes()
        send_next(OWNER)
        assert the_only(sent).state == State.IMPORTING

    @pytest.mark.parametrize("refusal", ["rate_limited", "unauthorized", "forbidden"])
    def test_counts_the_life_of_the_key_from_the_send_that_may_have_arrived(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, refusal: str
    ) -> None:
        persona.faults.inject(refusal)
        sent = make_import(known_list)
        send_next(OWNER)
        persona.faults.inject("drop_made")
        Batch.objects.update(first_sent_at=F("first_sent_at") - timedelta(hours=5))
        time_passes()
        send_next(OWNER)
        assert the_only(sent).state == State.UNKNOWN
        time_passes()
        send_next(OWNER)
        assert the_only(sent).state == State.IMPORTING
        assert len(set(keys(persona))) == len(persona.ledger()) == 1


class TestALineThatIsDown:
    @pytest.mark.parametrize(
        ("fault", "problem", "words"),
        [
            ("unauthorized", "key_refused", "Token is invalid"),
            ("forbidden", "key_refused", "IP address is not permitted"),
            ("rate_limited", "rate_limited", "You have hit your rate limit"),
            ("rate_limited_bare", "rate_limited", "You have hit your rate limit"),
            ("drop_unmade", "unreachable", "broke before it answered"),
        ],
    )
    def test_stops_all_and_goes_on_by_itself_once_it_is_mended(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        fault: str,
        problem: str,
        words: str,
    ) -> None:
        persona.faults.inject(fault, times=None)
        imports = [make_import(known_list, images=1, first_seed=seed) for seed in (1, 2)]
        forward()
        assert len(persona.requests()) == 1
        line = connection.line()
        assert line.problem == problem
        assert words in line.problem_detail
        assert line.problem_since
        assert [the_only(row).attempts for row in imports] == [1, 0]
        persona.faults.clear()
        time_passes()
        forward()
        assert [the_only(row).state for row in imports] == [State.DONE, State.DONE]
        assert len(persona.ledger()) == 2
        assert keys(persona)[0] == str(the_only(imports[0]).idempotency_key)
        mended = connection.line()
        assert (mended.problem, mended.problem_since, mended.failures) == ("", None, 0)

    @pytest.mark.parametrize(
        ("fault", "method"),
        [("forbidden", "POST"), ("unauthorized", ""), ("rate_limited", ""), ("drop_unmade", "")],
    )
    def test_is_down_for_one_method_alone_only_where_that_is_forbidden(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        fault: str,
        method: str,
    ) -> None:
        persona.faults.inject(fault)
        make_import(known_list)
        send_next(OWNER)
        assert connection.line().problem_at == method
        time_passes()
        send_next(OWNER)
        assert (connection.line().problem, connection.line().problem_at) == ("", "")

    @pytest.mark.parametrize("fault", ["unauthorized", "forbidden", "rate_limited"])
    def test_leaves_a_batch_that_persona_did_not_take_queued(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        send_next(OWNER)
        batch = the_only(sent)
        assert (batch.state, batch.may_have_arrived) == (State.QUEUED, False)
        assert batch.problem in ("key_refused", "rate_limited")

    def test_leaves_a_batch_that_may_have_arrived_unknown(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        for fault in ("drop_made", "unauthorized", "rate_limited"):
            persona.faults.inject(fault)
            send_next(OWNER)
            time_passes()
            assert the_only(sent).state == State.UNKNOWN
            assert the_only(sent).may_have_arrived
        send_next(OWNER)
        assert the_only(sent).state == State.IMPORTING
        assert len(persona.ledger()) == len(set(keys(persona))) == 1

    def test_keeps_its_first_moment_and_waits_longer_each_time(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("unauthorized", times=None)
        make_import(known_list)
        waits, since = [], set()
        for _ in range(5):
            time_passes()
            send_next(OWNER)
            line = connection.line()
            assert line.paused_until
            waits.append(round((line.paused_until - datetime.now(UTC)).total_seconds()))
            since.add(line.problem_since)
        assert waits == [5, 10, 20, 40, 60]
        assert len(since) == 1

    def test_for_the_rate_limit_is_tried_when_persona_says_so(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("rate_limited", reset_seconds=43)
        sent = make_import(known_list)
        send_next(OWNER)
        line = connection.line()
        assert line.paused_until
        wait = line.paused_until - datetime.now(UTC)
        assert timedelta(seconds=42) < wait <= timedelta(seconds=43)
        forward()
        assert len(persona.requests()) == 1
        time_passes()
        send_next(OWNER)
        assert len(set(keys(persona))) == 1
        assert the_only(sent).state == State.IMPORTING

    def test_where_nobody_listens_leaves_the_batch_queued(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        sent = make_import(known_list)
        there, settings.PERSONA_BASE_URL = settings.PERSONA_BASE_URL, "http://127.0.0.1:1"
        forward()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.QUEUED, "unreachable")
        assert not batch.may_have_arrived
        assert Exchange.objects.get().status is None
        settings.PERSONA_BASE_URL = there
        time_passes()
        forward()
        assert the_only(sent).state == State.DONE

    def test_is_tried_at_once_by_a_worker_that_starts(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("unauthorized")
        sent = make_import(known_list)
        forward()
        connection.try_at_once()
        forward()
        assert the_only(sent).state == State.DONE


class TestAListThatPersonaRefuses:
    def test_is_held_while_other_lists_go_on(
        self,
        persona: LocalPersona,
        make_import: Make,
        face_list: FaceList,
        known_list: FaceList,
        settings: Settings,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        waiting = make_import(face_list)
        going = make_import(known_list, first_seed=10)
        forward()
        assert [batch.state for batch in waiting.batches.all()] == [State.QUEUED] * 3
        assert [batch.state for batch in going.batches.all()] == [State.DONE] * 3
        face_list.refresh_from_db()
        assert face_list.problem == "Persona answered 404: Record not found"
        assert face_list.held_until
        assert face_list.held_until > datetime.now(UTC)
        assert len(sends(persona)) == 4
        waiting.refresh_from_db()
        assert waiting.state == Import.State.FORWARDING

    def test_is_sent_to_under_a_new_key_once_it_exists(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("not_found")  # Persona keeps this answer under the key
        sent = make_import(known_list)
        forward()
        assert the_only(sent).idempotency_key is None
        time_passes()
        forward()
        batch = the_only(sent)
        assert batch.state == State.DONE
        refused, taken = keys(persona)
        assert refused != taken == str(batch.idempotency_key)
        known_list.refresh_from_db()
        assert (known_list.problem, known_list.held_until, known_list.refusals) == ("", None, 0)

    def test_is_held_when_it_is_archived_and_asked_again_in_time(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        archived = persona.add_list("Old", archived=True)
        FaceList.objects.filter(pk=known_list.pk).update(persona_id=archived)
        known_list.refresh_from_db()
        sent = make_import(known_list)
        forward()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.QUEUED, "list_refused")
        known_list.refresh_from_db()
        assert known_list.problem == (
            "Persona answered 422: Unprocessable entity: List is archived"
        )
        time_passes()
        forward()
        assert len(set(keys(persona))) == 2
        assert persona.ledger() == []

    def test_is_held_longer_each_time(
        self, persona: LocalPersona, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        waits = []
        for _ in range(8):
            time_passes()
            send_next(OWNER)
            face_list.refresh_from_db()
            assert face_list.held_until
            waits.append(round((face_list.held_until - datetime.now(UTC)).total_seconds()))
        assert waits == [10, 20, 40, 80, 160, 320, 600, 600]

    def test_goes_on_at_once_where_a_person_asks_for_it(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        persona.faults.inject("not_found")
        sent = make_import(known_list)
        forward()
        assert retry(sent, actor) == 0
        forward()
        assert the_only(sent).state == State.DONE


class TestABatchThatPersonaRefuses:
    def test_needs_a_person_and_shows_persona_s_words(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
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

    def test_because_its_key_was_used_for_other_files_is_not_sent_again(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        sent = make_import(known_list)
        batch = claim("a worker that died")
        assert batch
        other = ImageFile("other.jpg", "image/jpeg", draw(99))
        client = connection.persona()
        client.import_faces(known_list.persona_id, [other], str(batch.idempotency_key))
        lease_runs_out()
        forward()
        batch.refresh_from_db()
        assert (batch.state, batch.problem) == (State.FAILED, "key_reused")
        assert "Idempotency error" in batch.problem_detail
        assert retry(sent, actor) == 1
        forward()
        batch.refresh_from_db()
        assert (batch.state, batch.problem) == (State.FAILED, "ambiguous"), "its counts do not fit"
        assert len(persona.ledger()) == 1


class TestAnImporterOfAnotherBatch:
    @pytest.fixture
    def taken(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> Import:
        """An import to whose send Persona answered with the importer of the one before it."""
        there = settings.PERSONA_BASE_URL
        make_import(known_list)
        sent = make_import(known_list, first_seed=10)
        row = {"type": "importer/list-item/face", "id": "mprt_0", "attributes": PENDING}
        with says("201 Created", {"data": row}) as server:
            settings.PERSONA_BASE_URL = server.url
            assert send_next(OWNER)
            assert send_next(OWNER)
        settings.PERSONA_BASE_URL = there
        return sent

    def test_is_not_adopted_and_needs_a_person(self, taken: Import) -> None:
        batch = the_only(taken)
        assert (batch.state, batch.problem) == (State.FAILED, "importer_taken")
        assert "mprt_0" in batch.problem_detail
        assert (batch.importer_id, batch.may_have_arrived) == ("", True)
        assert Batch.objects.get(importer_id="mprt_0").state == State.IMPORTING
        taken.refresh_from_db()
        assert taken.state == Import.State.NEEDS_ATTENTION

    def test_does_not_stop_the_worker(
        self, persona: LocalPersona, taken: Import, make_import: Make, known_list: FaceList
    ) -> None:
        other = make_import(known_list, first_seed=20)
        forward()
        assert the_only(other).state == State.DONE

    def test_is_looked_for_at_a_person_s_second_try(
        self, persona: LocalPersona, taken: Import, actor: Actor
    ) -> None:
        key = the_only(taken).idempotency_key
        assert retry(taken, actor) == 1
        assert send_next(OWNER)
        assert [seen.method for seen in persona.requests()] == ["GET"]
        forward()
        batch = the_only(taken)
        assert batch.state == State.DONE
        assert batch.idempotency_key != key


class TestTheLastMomentItCanHaveArrived:
    def test_is_none_before_a_send_has_ended(self, make_import: Make, face_list: FaceList) -> None:
        make_import(face_list)
        batch = claim(OWNER)
        assert batch
        assert batch.tried_until is None

    def test_is_the_end_of_the_lease_of_a_worker_that_died(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        assert claim("a worker that died")
        lease_runs_out()
        ran_out = Batch.objects.get().lease_until
        batch = claim(OWNER)
        assert batch
        assert batch.tried_until == ran_out
        assert batch.lease_until
        assert ran_out
        assert batch.lease_until > ran_out

    def test_stays_where_a_worker_died_at_a_look(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("drop_made")
        sent = make_import(known_list)
        send_next(OWNER)
        before = the_only(sent).tried_until
        assert before
        Batch.objects.update(look_first=True)
        time_passes()
        assert claim("a worker that died")
        lease_runs_out()
        batch = claim(OWNER)
        assert batch
        assert batch.tried_until == before

    @pytest.mark.parametrize("fault", ["drop_made", "drop_unmade", "bad_gateway", "conflict"])
    def test_is_when_a_send_ended_that_may_have_arrived(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        began = datetime.now(UTC)
        send_next(OWNER)
        tried_until = the_only(sent).tried_until
        assert tried_until
        second = timedelta(seconds=1)
        assert began - second < tried_until < datetime.now(UTC) + second

    @pytest.mark.parametrize("fault", ["unauthorized", "forbidden", "rate_limited"])
    def test_is_not_a_send_that_surely_came_to_nothing(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        send_next(OWNER)
        assert the_only(sent).tried_until is None
        persona.faults.inject("drop_made")
        time_passes()
        send_next(OWNER)
        hour_ago = the_hour_passes(sent)
        persona.faults.inject(fault)
        time_passes()
        send_next(OWNER)
        assert the_only(sent).state == State.UNKNOWN
        assert the_only(sent).tried_until == hour_ago

    def test_is_not_a_send_where_nobody_listens(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        sent = make_import(known_list)
        there, settings.PERSONA_BASE_URL = settings.PERSONA_BASE_URL, "http://127.0.0.1:1"
        send_next(OWNER)
        assert the_only(sent).tried_until is None
        settings.PERSONA_BASE_URL = there
        persona.faults.inject("drop_made")
        time_passes()
        send_next(OWNER)
        hour_ago = the_hour_passes(sent)
        settings.PERSONA_BASE_URL = "http://127.0.0.1:1"
        time_passes()
        send_next(OWNER)
        assert (the_only(sent).problem, the_only(sent).tried_until) == ("unreachable", hour_ago)


def the_database_is_away(*args: object, **kwargs: object) -> None:
    raise OperationalError


def the_hour_passes(sent: Import) -> datetime:
    """Since the last send that may have arrived; when that was."""
    sent.batches.update(tried_until=F("tried_until") - timedelta(hours=1))
    moment = the_only(sent).tried_until
    assert moment
    return moment


class TestALease:
    @pytest.fixture
    def in_hand(self, monkeypatch: pytest.MonkeyPatch) -> set[int]:
        """The batches that this process is sending."""
        monkeypatch.setattr(send, "_in_hand", held := set[int]())
        return held

    def test_is_renewed_by_the_worker_that_has_it_in_hand(
        self, make_import: Make, face_list: FaceList, in_hand: set[int]
    ) -> None:
        make_import(face_list)
        in_hand |= {batch.pk} if (batch := claim("mine")) else set()
        lease_runs_out()
        keep_leases("mine")
        batch = Batch.objects.get()
        assert batch.lease_until
        second = timedelta(seconds=1)
        assert abs(batch.lease_until - datetime.now(UTC) - LEASE) < second
        assert claim("another") is None

    def test_is_not_renewed_once_its_worker_let_go_of_it_without_a_record(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As where the database goes away while Persona has the request."""
        sent = make_import(known_list)
        with monkeypatch.context() as away:
            away.setattr(audit, "append", the_database_is_away)
            with pytest.raises(OperationalError):
                send_next("mine")
        assert the_only(sent).state == State.SENDING
        lease_runs_out()
        keep_leases("mine")
        assert send_next("another")
        assert the_only(sent).state == State.IMPORTING
        assert len(persona.ledger()) == 1

    def test_that_ran_out_before_the_request_lets_nothing_be_sent(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As of a host that stood still between the claim and the request."""
        sent = make_import(known_list)
        checked = consent.check

        def check_and_stand_still(attestation: Attestation) -> None:
            checked(attestation)
            lease_runs_out()

        with monkeypatch.context() as slow:
            slow.setattr(consent, "check", check_and_stand_still)
            send_next("mine")
        assert sends(persona) == []
        assert the_only(sent).state == State.SENDING
        send_next("another")
        assert len(persona.ledger()) == len(sends(persona)) == 1

    def test_is_not_renewed_by_another_worker(
        self, make_import: Make, face_list: FaceList, in_hand: set[int]
    ) -> None:
        make_import(face_list)
        in_hand |= {batch.pk} if (batch := claim("another")) else set()
        lease_runs_out()
        before = Batch.objects.values().get()
        keep_leases("mine")
        assert Batch.objects.values().get() == before

    @pytest.mark.parametrize("state", [state for state in State if state != State.SENDING])
    def test_is_not_given_to_a_batch_that_is_not_being_sent(
        self, make_import: Make, face_list: FaceList, in_hand: set[int], state: Batch.State
    ) -> None:
        make_import(face_list)
        in_hand |= {batch.pk} if (batch := claim("mine")) else set()
        Batch.objects.update(state=state, lease_until=None, importer_id="mprt_1")
        keep_leases("mine")
        assert Batch.objects.get().lease_until is None

    def test_of_a_worker_that_died_is_not_renewed_by_the_one_started_in_its_place(self) -> None:
        assert worker.own_name() != worker.own_name()


class TestAPersonsSecondTry:
    @pytest.mark.parametrize("problem", ["seal_broken", "key_reused", "importer_taken"])
    def test_of_a_batch_that_may_have_arrived_looks_for_it_and_counts(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor,
        problem: str,
    ) -> None:  # fmt: skip
        persona.faults.inject("drop_made")
        sent = make_import(known_list)
        send_next(OWNER)
        key = the_only(sent).idempotency_key
        sent.batches.update(state=State.FAILED, problem=problem)
        Import.objects.update(state=Import.State.NEEDS_ATTENTION)
        assert retry(sent, actor) == 1
        batch = the_only(sent)
        assert (batch.state, batch.look_first) == (State.UNKNOWN, True)
        assert (batch.may_have_arrived, batch.idempotency_key) == (True, key)
        assert AuditEvent.objects.get(action="import.retried").details == {"batches": 1}
        sent.refresh_from_db()
        assert sent.state == Import.State.FORWARDING
        time_passes()
        forward()
        assert the_only(sent).state == State.DONE
        assert len(sends(persona)) == 1

    def test_sends_the_failed_batches_alone_under_a_new_key(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        actor: Actor,
        settings: Settings,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        persona.faults.inject("unprocessable")
        sent = make_import(known_list)
        forward()
        assert retry(sent, actor) == 1
        sent.refresh_from_db()
        assert sent.state == Import.State.FORWARDING
        forward()
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED
        assert len(sends(persona)) == 4
        assert len(set(keys(persona))) == 4
        assert len({file.sha256 for entry in persona.ledger() for file in entry.files}) == 3
        batch = sent.batches.get(number=1)
        assert (batch.state, batch.attempts, batch.problem) == (State.DONE, 1, "")

    def test_is_told_in_the_audit_trail(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        persona.faults.inject("unprocessable")
        sent = make_import(known_list)
        forward()
        retry(sent, actor)
        event = AuditEvent.objects.get(action="import.retried")
        assert (event.actor, event.object_id) == (actor.user, str(sent.pk))
        assert event.details == {"batches": 1}

    def test_of_one_import_leaves_the_others_alone(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        persona.faults.inject("unprocessable", times=2)
        one, other = make_import(known_list), make_import(known_list, first_seed=10)
        forward()
        assert retry(one, actor) == 1
        assert the_only(other).state == State.FAILED
        other.refresh_from_db()
        assert other.state == Import.State.NEEDS_ATTENTION

    def test_mends_a_broken_seal_only_where_the_bytes_are_back(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        sent = make_import(known_list)
        image = sent.files.all()[0]
        whole = stored(image).read_bytes()
        one_byte_is_changed(image)
        forward()
        retry(sent, actor)
        forward()
        assert the_only(sent).problem == "seal_broken"
        stored(image).write_bytes(whole)
        retry(sent, actor)
        forward()
        assert the_only(sent).state == State.DONE
        assert len(persona.ledger()) == 1


class TestTheClaim:
    def test_takes_what_is_due_first(
        self, make_import: Make, face_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        one, two, three, four = make_import(face_list, images=4).batches.order_by("number")
        for batch, seconds in ((one, 10), (two, 30), (three, 30), (four, -30)):
            due = Now() - timedelta(seconds=seconds)
            Batch.objects.filter(pk=batch.pk).update(next_attempt_at=due)
        assert [claim(OWNER) for _ in range(4)] == [two, three, one, None]

    def test_lends_the_batch_and_stores_its_key(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        batch = claim("worker 7")
        assert batch
        assert (batch.state, batch.lease_owner) == (State.SENDING, "worker 7")
        assert (batch.fence, batch.attempts) == (1, 1)
        assert isinstance(batch.idempotency_key, UUID)
        assert batch.lease_until
        assert batch.first_sent_at
        assert abs(batch.lease_until - batch.first_sent_at - LEASE) < timedelta(seconds=1)
        assert not batch.may_have_arrived

    def test_takes_nothing_that_another_worker_holds(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        assert claim("a")
        assert claim("b") is None

    def test_takes_what_a_worker_left_behind_under_the_same_key(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        left = claim("a worker that died")
        assert left
        lease_runs_out()
        taken = claim("b")
        assert taken == left
        assert (taken.idempotency_key, taken.fence) == (left.idempotency_key, left.fence + 1)
        assert taken.may_have_arrived
        lease_runs_out()
        forward()
        assert keys(persona) == [str(left.idempotency_key)]
        assert the_only(sent).state == State.DONE

    def test_that_a_worker_left_too_long_ago_is_not_sent_again(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        assert claim("a worker that died")
        lease_runs_out()
        Batch.objects.update(first_sent_at=F("first_sent_at") - timedelta(hours=1))
        send_next(OWNER)
        assert the_only(sent).problem == "not_arrived"
        assert [seen.method for seen in persona.requests()] == ["GET"]

    @pytest.mark.parametrize(
        "environment", [Environment.SANDBOX, Environment.PRODUCTION, Environment.UNNAMED]
    )
    def test_takes_nothing_of_another_environment(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, environment: str
    ) -> None:
        FaceList.objects.filter(pk=known_list.pk).update(environment=environment)
        sent = make_import(known_list)
        assert claim(OWNER) is None
        forward()
        assert persona.requests() == []
        assert worker.is_drained()
        assert the_only(sent).state == State.QUEUED

    def test_takes_nothing_for_a_list_that_is_held(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        FaceList.objects.update(held_until=Now() + timedelta(seconds=5))
        assert claim(OWNER) is None
        FaceList.objects.update(held_until=Now() - timedelta(seconds=5))
        assert claim(OWNER)

    def test_fails_where_another_took_the_batch_after_it_was_read(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        batch_id = the_only(make_import(face_list)).pk
        read_by_one, read_by_other = (Batch.objects.get(pk=batch_id) for _ in range(2))
        assert read_by_one.lend("one", Now(), looks=False)
        assert not read_by_other.lend("other", Now(), looks=False)
        assert Batch.objects.get(pk=batch_id).lease_owner == "one"

    def test_takes_no_draft(self, make_draft: Make, face_list: FaceList) -> None:
        make_draft(face_list)
        assert claim(OWNER) is None


@pytest.fixture
def meanwhile() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
def interrupted(settings: Settings, meanwhile: Meanwhile) -> Iterator[LocalPersona]:
    """Local Persona where something happens between a request and its late answer."""
    with LocalPersona(delay=0, pause=meanwhile) as server:
        settings.PERSONA_BASE_URL = server.url
        settings.PERSONA_IS_LOCAL = True
        yield server


@pytest.mark.django_db(transaction=True)
class TestManyWorkers:
    @pytest.mark.parametrize(
        "fault", ["unprocessable", "not_found", "bad_gateway_made", "drop_made"]
    )
    def test_a_late_answer_to_a_worker_that_lost_its_lease_changes_nothing(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        face_list: FaceList,
        fault: str,
    ) -> None:
        persona_id = interrupted.add_list("Known fraud")
        FaceList.objects.filter(pk=face_list.pk).update(persona_id=persona_id)
        sent = make_import(face_list)
        interrupted.faults.inject(fault, seconds=1)

        def another_takes_over() -> None:
            lease_runs_out()
            assert claim("another")

        meanwhile.does = another_takes_over
        send_next("the late one")
        batch = the_only(sent)
        assert (batch.state, batch.lease_owner, batch.fence) == (State.SENDING, "another", 2)
        assert (batch.importer_id, batch.problem) == ("", "")
        assert actions() == []
        face_list.refresh_from_db()
        assert (face_list.problem, face_list.held_until) == ("", None)

    def test_a_late_importer_is_the_batch_s_own_whoever_holds_the_lease_by_then(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        face_list: FaceList,
    ) -> None:
        persona_id = interrupted.add_list("Known fraud")
        FaceList.objects.filter(pk=face_list.pk).update(persona_id=persona_id)
        sent = make_import(face_list)
        interrupted.faults.inject("slow", seconds=1)
        taken_over: list[Batch | None] = []

        def another_takes_over() -> None:
            lease_runs_out()
            taken_over.append(claim("another"))

        meanwhile.does = another_takes_over
        send_next("the late one")
        batch = the_only(sent)
        assert (batch.state, batch.lease_owner) == (State.IMPORTING, "")
        assert batch.importer_id == interrupted.ledger()[0].importer_id
        assert actions() == ["batch.accepted"]
        (other,) = taken_over
        assert other
        assert not other.finish_sending(State.UNKNOWN)
        assert the_only(sent).state == State.IMPORTING

    def test_the_one_that_took_over_gets_the_same_import(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        face_list: FaceList,
    ) -> None:
        persona_id = interrupted.add_list("Known fraud")
        FaceList.objects.filter(pk=face_list.pk).update(persona_id=persona_id)
        sent = make_import(face_list)
        interrupted.faults.inject("slow", seconds=1)
        meanwhile.does = lease_runs_out
        send_next("the late one")
        meanwhile.does = lambda: None
        forward()
        assert the_only(sent).state == State.DONE
        assert len(interrupted.ledger()) == 1

    def test_nothing_is_locked_while_persona_has_the_request(
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
            PersonaLine.objects.update(limit=299)
            seen.extend(Batch.objects.values_list("state", flat=True))

        interrupted.faults.inject("slow", seconds=1)
        meanwhile.does = others_write
        send_next(OWNER)
        assert seen == [State.SENDING]

    def test_a_running_worker_keeps_its_lease_until_the_request_in_hand_has_ended(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        face_list: FaceList,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Also after it was told to stop."""
        persona_id = interrupted.add_list("Known fraud")
        FaceList.objects.filter(pk=face_list.pk).update(persona_id=persona_id)
        sent = make_import(face_list)
        stop, beat, taken, let_go = (threading.Event() for _ in range(4))

        def keep_and_tell(owner: str) -> None:
            keep_leases(owner)
            beat.set()

        def hold() -> None:
            taken.set()
            assert let_go.wait(20)

        def is_renewed() -> bool:
            lease_runs_out()
            for _ in range(2):  # the first may have begun before
                beat.clear()
                assert beat.wait(20)
            return sent.batches.filter(state=State.SENDING, lease_until__gt=Now()).exists()

        monkeypatch.setattr(worker, "BEAT_SECONDS", 0.05)
        monkeypatch.setattr(worker, "keep_leases", keep_and_tell)
        interrupted.faults.inject("slow", where=IMPORT, seconds=1)
        meanwhile.does = hold
        running = threading.Thread(target=lambda: in_a_thread(lambda: worker.run(stop, 1)))
        running.start()
        try:
            assert taken.wait(20)
            assert is_renewed()
            stop.set()
            assert is_renewed()
        finally:
            stop.set()
            let_go.set()
            running.join(30)
        batch = the_only(sent)
        assert (batch.state, batch.lease_until, batch.fence) == (State.IMPORTING, None, 1)
        assert len(interrupted.ledger()) == 1

    def test_never_take_the_same_batch(
        self, make_import: Make, face_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        make_import(face_list, images=20)
        taken = at_once(4, lambda name: list(iter(lambda: claim(name), None)))
        everyone = [batch.pk for batches in taken for batch in batches]
        assert sorted(everyone) == sorted(Batch.objects.values_list("pk", flat=True))
        for batch in Batch.objects.all():
            assert (batch.fence, batch.attempts) == (1, 1)

    def test_never_take_over_the_same_batch(
        self, make_import: Make, face_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        make_import(face_list, images=20)
        left = {batch.pk: batch.idempotency_key for batch in iter(lambda: claim("dead"), None)}
        lease_runs_out()
        taken = at_once(4, lambda name: list(iter(lambda: claim(name), None)))
        assert sorted(batch.pk for batches in taken for batch in batches) == sorted(left)
        for batch in Batch.objects.all():
            assert (batch.fence, batch.idempotency_key) == (2, left[batch.pk])

    def test_bring_every_image_once(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        settings: Settings,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        persona.faults.inject("drop_made", times=2)
        sent = make_import(known_list, images=12)

        def work(name: str) -> None:
            while not worker.is_drained():
                time_passes()
                worker.step(name)

        at_once(4, work)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED
        arrived = [file.sha256 for entry in persona.ledger() for file in entry.files]
        assert sorted(arrived) == sorted(sent.files.values_list("sha256", flat=True))
        assert list(audit.breaks()) == []

    def test_pass_over_a_row_that_another_has_locked(
        self, make_import: Make, face_list: FaceList, settings: Settings
    ) -> None:
        if not database.features.has_select_for_update_skip_locked:
            pytest.skip("SQLite locks no single row.")
        settings.BATCH_MAX_IMAGES = 1
        sent = make_import(face_list, images=2)
        with transaction.atomic():
            locked = Batch.objects.select_for_update().get(number=1)
            ((taken,),) = at_once(1, lambda name: [claim(name)])
        assert taken == sent.batches.exclude(pk=locked.pk).get()


def in_a_thread(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        database.close()


def at_once[T](threads: int, work: Callable[[str], T]) -> list[T]:
    """Does the work in as many threads, which begin together; what each returned."""
    start = threading.Barrier(threads)
    results: list[T] = []

    def one(name: str) -> None:
        try:
            start.wait(10)
            results.append(work(name))
        finally:
            database.close()

    running = [threading.Thread(target=one, args=(f"worker {n}",)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert len(results) == threads
    return results
