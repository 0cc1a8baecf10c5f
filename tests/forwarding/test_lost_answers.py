"""A send whose answer is lost: same key again, then recovery."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.sending import send_next
from importers.gateway import breaker
from importers.local_persona import LocalPersona
from importers.models import Attempt, Batch, FaceList, Import
from tests.support.batches import OWNER, Meanwhile, keys, sends, the_only
from tests.support.forwarding import forward, time_passes
from tests.support.recovery import recover

Make = Callable[..., Import]
State = Batch.State


@pytest.mark.parametrize(
    ("fault", "made", "problem"),
    [
        ("drop_before_body", False, "no_answer"),
        ("drop_unmade", False, "no_answer"),
        ("drop_made", True, "no_answer"),
        ("bad_gateway", False, "gateway_trouble"),
        ("bad_gateway_made", True, "gateway_trouble"),
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
    assert timedelta(seconds=9) < wait <= timedelta(seconds=10)


@pytest.mark.parametrize("fault", ["drop_unmade", "bad_gateway"])
def test_third_send_without_clear_answer_leads_to_recovery(
    persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
) -> None:
    persona.faults.inject(fault, times=3)
    sent = make_import(known_list)
    for recover_first in (False, False, True):
        time_passes()
        assert send_next(Leases(OWNER))
        assert the_only(sent).recover_first == recover_first
    assert len(set(keys(persona))) == 1
    assert len(sends(persona)) == 3
    assert not send_next(Leases(OWNER))


def test_batch_with_an_expired_key_is_not_sent_again(
    persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
) -> None:
    persona.faults.inject("drop_made")
    sent = make_import(known_list)
    send_next(Leases(OWNER))
    Attempt.objects.update(began_at=F("began_at") - timedelta(hours=1))
    time_passes()
    recover()
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
    nearly = timedelta(hours=1) - breaker.longest_request() - timedelta(minutes=1)
    Attempt.objects.update(began_at=F("began_at") - nearly)
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
    Attempt.objects.update(began_at=F("began_at") - timedelta(hours=5))
    time_passes()
    send_next(Leases(OWNER))
    assert the_only(sent).state == State.UNKNOWN
    time_passes()
    send_next(Leases(OWNER))
    assert the_only(sent).state == State.IMPORTING
    assert len(set(keys(persona))) == len(persona.ledger()) == 1


@pytest.mark.on_both_databases
class TestAttempt:
    @pytest.mark.parametrize(
        ("fault", "settles_in"),
        [("drop_made", 60), ("drop_unmade", 60), ("bad_gateway", 60), ("conflict", 60),
         ("server_error", 10), ("broken_json", 10)],
    )  # fmt: skip
    def test_send_in_doubt_is_stored_with_its_interval(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        fault: str,
        settles_in: int,
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        started = datetime.now(UTC)
        send_next(Leases(OWNER))
        attempt = the_only(sent).sends_in_doubt.get()
        assert attempt.key == the_only(sent).key
        assert attempt.ended_at
        assert attempt.settled_at
        second = timedelta(seconds=1)
        assert started - second < attempt.began_at <= attempt.ended_at
        assert attempt.ended_at < datetime.now(UTC) + second
        assert attempt.settled_at - attempt.ended_at == timedelta(seconds=settles_in)

    @pytest.mark.django_db(transaction=True)
    def test_attempt_is_stored_before_the_request_leaves(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        interrupted_list: FaceList,
    ) -> None:
        seen: list[tuple[bool, datetime | None]] = []

        def look() -> None:
            batch = Batch.objects.get()
            seen.append((batch.may_have_arrived, batch.sends.get().ended_at))

        make_import(interrupted_list)
        interrupted.faults.inject("slow", seconds=1)
        meanwhile.does = look
        send_next(Leases(OWNER))
        assert seen == [(True, None)]

    @pytest.mark.parametrize("fault", ["unauthorized", "forbidden", "rate_limited"])
    def test_refused_send_did_not_arrive(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        assert [row.may_have_arrived for row in the_only(sent).sends.all()] == [False]
        assert not the_only(sent).may_have_arrived

    def test_refused_send_leaves_an_earlier_one_in_doubt(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        for fault in ("drop_made", "unauthorized"):
            persona.faults.inject(fault)
            time_passes()
            send_next(Leases(OWNER))
        assert [row.may_have_arrived for row in the_only(sent).sends.all()] == [True, False]
        assert the_only(sent).may_have_arrived

    def test_send_without_connection_did_not_arrive(
        self, make_import: Make, known_list: FaceList, settings: Settings
    ) -> None:
        settings.PERSONA_BASE_URL = "http://127.0.0.1:1"
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        assert [row.may_have_arrived for row in the_only(sent).sends.all()] == [False]

    def test_sends_under_another_key_are_not_in_doubt(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        persona.faults.inject("drop_unmade")
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        persona.faults.inject("unprocessable")
        time_passes()
        send_next(Leases(OWNER))
        assert retry(sent, actor) == 1
        assert not the_only(sent).sends_in_doubt.exists()
