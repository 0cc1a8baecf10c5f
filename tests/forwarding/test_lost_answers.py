"""A send whose answer is lost: same key again, then recovery."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases, claim, lease_time
from importers.forwarding.control import retry
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Import
from tests.support.batches import OWNER, keys, lease_runs_out, sends, the_only
from tests.support.forwarding import forward, time_passes

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State


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
def test_lost_answer_repeats_the_same_request(
    persona: LocalPersona,
    make_import: Make,
    known_list: FaceList,
    fault: str,
    made: bool,
    problem: str,
) -> None:
    persona.faults.inject(fault)
    sent = make_import(known_list)
    assert send_next(Leases(OWNER))
    batch = the_only(sent)
    assert (batch.state, batch.may_have_arrived) == (State.UNKNOWN, True)
    assert (batch.problem, batch.recover_first) == (problem, False)
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


def test_timeout_makes_no_second_importer(
    persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
) -> None:
    settings.PERSONA_TIMEOUT_SECONDS = 0.2
    persona.faults.inject("slow", seconds=0.4)
    sent = make_import(known_list)
    send_next(Leases(OWNER))
    assert the_only(sent).problem == "no_answer"
    settings.PERSONA_TIMEOUT_SECONDS = 5
    time_passes()
    forward()
    assert the_only(sent).state == State.DONE
    assert len(persona.ledger()) == 1
    assert len(set(keys(persona))) == 1


def test_batch_in_doubt_waits_for_its_next_send(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    persona.faults.inject("bad_gateway")
    make_import(known_list)
    send_next(Leases(OWNER))
    assert not send_next(Leases(OWNER))
    assert len(sends(persona)) == 1


def test_repeated_server_error_leads_to_recovery(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    persona.faults.inject("server_error")
    sent = make_import(known_list)
    for recover_first in (False, True):
        time_passes()
        assert send_next(Leases(OWNER))
        batch = the_only(sent)
        assert (batch.state, batch.recover_first) == (State.UNKNOWN, recover_first)
        assert batch.problem_detail == "Persona answered 500: Internal server error"
    assert keys(persona) == [str(batch.idempotency_key)] * 2
    wait = batch.next_attempt_at - datetime.now(UTC)
    assert timedelta(seconds=59) < wait <= timedelta(seconds=60)


def test_batch_with_an_expired_key_is_not_sent_again(
    persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
) -> None:
    persona.faults.inject("drop_made")
    sent = make_import(known_list)
    send_next(Leases(OWNER))
    Batch.objects.update(first_sent_at=F("first_sent_at") - timedelta(hours=1))
    time_passes()
    send_next(Leases(OWNER))
    assert [seen.method for seen in persona.requests()] == ["POST", "GET"]
    assert the_only(sent).importer_id == persona.ledger()[0].importer_id
    assert retry(sent, actor) == 0
    time_passes()
    forward()
    assert len(sends(persona)) == 1
    assert the_only(sent).state == State.DONE


def test_batch_with_a_valid_key_is_sent_again(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    persona.faults.inject("drop_made")
    sent = make_import(known_list)
    send_next(Leases(OWNER))
    nearly = timedelta(hours=1) - lease_time() - timedelta(minutes=1)
    Batch.objects.update(first_sent_at=F("first_sent_at") - nearly)
    time_passes()
    send_next(Leases(OWNER))
    assert the_only(sent).state == State.IMPORTING


@pytest.mark.parametrize("refusal", ["rate_limited", "unauthorized", "forbidden"])
def test_key_life_starts_with_the_send_in_doubt(
    persona: LocalPersona, make_import: Make, known_list: FaceList, refusal: str
) -> None:
    persona.faults.inject(refusal)
    sent = make_import(known_list)
    send_next(Leases(OWNER))
    persona.faults.inject("drop_made")
    Batch.objects.update(first_sent_at=F("first_sent_at") - timedelta(hours=5))
    time_passes()
    send_next(Leases(OWNER))
    assert the_only(sent).state == State.UNKNOWN
    time_passes()
    send_next(Leases(OWNER))
    assert the_only(sent).state == State.IMPORTING
    assert len(set(keys(persona))) == len(persona.ledger()) == 1


class TestTriedUntil:
    def test_tried_until_is_none_before_a_send_ends(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        batch = claim(OWNER)
        assert batch
        assert batch.tried_until is None

    def test_tried_until_is_a_dead_workers_lease_end(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        assert claim("a dead worker")
        lease_runs_out()
        ran_out = Batch.objects.get().lease_until
        batch = claim(OWNER)
        assert batch
        assert batch.tried_until == ran_out
        assert batch.lease_until
        assert ran_out
        assert batch.lease_until > ran_out

    def test_tried_until_survives_a_death_in_recovery(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("drop_made")
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        before = the_only(sent).tried_until
        assert before
        Batch.objects.update(recover_first=True)
        time_passes()
        assert claim("a dead worker")
        lease_runs_out()
        batch = claim(OWNER)
        assert batch
        assert batch.tried_until == before

    @pytest.mark.parametrize("fault", ["drop_made", "drop_unmade", "bad_gateway", "conflict"])
    def test_tried_until_is_the_end_of_a_send_in_doubt(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        started = datetime.now(UTC)
        send_next(Leases(OWNER))
        tried_until = the_only(sent).tried_until
        assert tried_until
        second = timedelta(seconds=1)
        assert started - second < tried_until < datetime.now(UTC) + second

    @pytest.mark.parametrize("fault", ["unauthorized", "forbidden", "rate_limited"])
    def test_tried_until_ignores_a_refused_send(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        assert the_only(sent).tried_until is None
        persona.faults.inject("drop_made")
        time_passes()
        send_next(Leases(OWNER))
        hour_ago = move_last_send_back_an_hour(sent)
        persona.faults.inject(fault)
        time_passes()
        send_next(Leases(OWNER))
        assert the_only(sent).state == State.UNKNOWN
        assert the_only(sent).tried_until == hour_ago

    def test_tried_until_ignores_a_failed_connection(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        sent = make_import(known_list)
        there, settings.PERSONA_BASE_URL = settings.PERSONA_BASE_URL, "http://127.0.0.1:1"
        send_next(Leases(OWNER))
        assert the_only(sent).tried_until is None
        settings.PERSONA_BASE_URL = there
        persona.faults.inject("drop_made")
        time_passes()
        send_next(Leases(OWNER))
        hour_ago = move_last_send_back_an_hour(sent)
        settings.PERSONA_BASE_URL = "http://127.0.0.1:1"
        time_passes()
        send_next(Leases(OWNER))
        assert (the_only(sent).problem, the_only(sent).tried_until) == ("unreachable", hour_ago)


def move_last_send_back_an_hour(sent: Import) -> datetime:
    """Return when the last send that may have arrived now appears to have ended."""
    sent.batches.update(tried_until=F("tried_until") - timedelta(hours=1))
    moment = the_only(sent).tried_until
    assert moment
    return moment
