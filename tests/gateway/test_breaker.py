"""The breaker: what opens it, which requests it stops, and how it closes again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.gateway import breaker, client, environments, rate_limit
from importers.gateway.rate_limit import NoRequestLeft
from importers.local_persona import IMPORT, IMPORTERS, LocalPersona
from importers.models import Batch, Environment, Exchange, FaceList, Gateway, Import
from importers.persona import errors
from tests.support.attestations import submit
from tests.support.batches import OWNER, Meanwhile, keys, the_only
from tests.support.forwarding import forward, time_passes

Make = Callable[..., Import]
State = Batch.State
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def breaker_wait_ends() -> None:
    Gateway.objects.update(retry_at=Now())


class TestOpening:
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
    def test_open_breaker_stops_then_resumes_sending(
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
        gateway = environments.gateway()
        assert gateway.problem == problem
        assert words in gateway.problem_detail
        assert gateway.problem_since
        assert [the_only(row).attempts for row in imports] == [1, 0]
        persona.faults.clear()
        time_passes()
        forward()
        assert [the_only(row).state for row in imports] == [State.DONE, State.DONE]
        assert len(persona.ledger()) == 2
        assert keys(persona)[0] == str(the_only(imports[0]).idempotency_key)
        closed = environments.gateway()
        assert (closed.problem, closed.problem_since, closed.failures) == ("", None, 0)

    @pytest.mark.parametrize(
        "fault",
        [
            *("unauthorized", "forbidden", "rate_limited_bare", "drop_unmade", "server_error"),
            *("bad_gateway", "unavailable", "broken_json"),
        ],
    )
    def test_failed_send_stops_sends_but_not_reads(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        make_import(known_list)
        send_next(Leases(OWNER))
        opened = environments.gateway()
        assert (opened.sends_fail, opened.reads_fail) == (True, False)
        client.persona().importers_page()
        assert environments.gateway().sends_fail

    @pytest.mark.parametrize("fault", ["unauthorized", "rate_limited", "bad_gateway", "slow"])
    def test_failed_read_stops_every_request(
        self, persona: LocalPersona, settings: Settings, fault: str
    ) -> None:
        settings.PERSONA_TIMEOUT_SECONDS = 0.2
        persona.faults.inject(fault, where=IMPORTERS, seconds=0.4 if fault == "slow" else None)
        with pytest.raises(errors.PersonaError):
            client.persona().importers_page()
        opened = environments.gateway()
        assert (opened.sends_fail, opened.reads_fail) == (False, True)
        with pytest.raises(NoRequestLeft):
            client.persona()
        with pytest.raises(NoRequestLeft):
            rate_limit.reserve(Environment.LOCAL, to_send=True)

    @pytest.mark.parametrize("fault", ["unauthorized", "forbidden", "rate_limited"])
    def test_batch_stays_queued_after_a_refusal(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str
    ) -> None:
        persona.faults.inject(fault)
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        batch = the_only(sent)
        assert (batch.state, batch.may_have_arrived) == (State.QUEUED, False)
        assert batch.problem in ("key_refused", "rate_limited")

    def test_open_breaker_keeps_the_doubt(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        sent = make_import(known_list)
        for fault in ("drop_made", "unauthorized", "rate_limited"):
            persona.faults.inject(fault)
            send_next(Leases(OWNER))
            time_passes()
            assert the_only(sent).state == State.UNKNOWN
            assert the_only(sent).may_have_arrived
        send_next(Leases(OWNER))
        assert the_only(sent).state == State.IMPORTING
        assert len(persona.ledger()) == len(set(keys(persona))) == 1

    def test_batch_stays_queued_without_connection(
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

    def test_breaker_waits_longer_each_time(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("unauthorized", times=None)
        make_import(known_list)
        waits, since = [], set()
        for _ in range(5):
            time_passes()
            send_next(Leases(OWNER))
            gateway = environments.gateway()
            assert gateway.retry_at
            waits.append(round((gateway.retry_at - datetime.now(UTC)).total_seconds()))
            since.add(gateway.problem_since)
        assert waits == [5, 10, 20, 40, 60]
        assert len(since) == 1

    def test_breaker_waits_for_the_rate_limit_reset(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("rate_limited", reset_seconds=43)
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        gateway = environments.gateway()
        assert gateway.retry_at
        wait = gateway.retry_at - datetime.now(UTC)
        assert timedelta(seconds=42) < wait <= timedelta(seconds=43)
        forward()
        assert len(persona.requests()) == 1
        time_passes()
        send_next(Leases(OWNER))
        assert len(set(keys(persona))) == 1
        assert the_only(sent).state == State.IMPORTING

    @pytest.mark.django_db(transaction=True)
    def test_requests_in_flight_do_not_lengthen_the_wait(
        self, interrupted: LocalPersona, meanwhile: Meanwhile, make_import: Make,
        interrupted_list: FaceList,
    ) -> None:  # fmt: skip
        for seed in (1, 2):
            make_import(interrupted_list, images=1, first_seed=seed)
        interrupted.faults.inject("bad_gateway", 2, seconds=1)

        def another_send_fails() -> None:
            meanwhile.does = lambda: None
            send_next(Leases("another"))

        meanwhile.does = another_send_fails
        send_next(Leases(OWNER))
        gateway = environments.gateway()
        assert gateway.failures == 1
        assert gateway.retry_at
        assert gateway.retry_at - datetime.now(UTC) < timedelta(seconds=5)


class TestClosing:
    def test_half_open_breaker_allows_one_request(self, persona: LocalPersona) -> None:
        persona.faults.inject("unauthorized")
        with pytest.raises(errors.KeyRefused):
            client.persona().importers_page()
        breaker_wait_ends()
        trial = client.persona()
        with pytest.raises(NoRequestLeft):
            client.persona()
        trial.importers_page()
        client.persona()
        client.persona()

    def test_answered_read_does_not_close_the_breaker_for_sends(
        self, persona: LocalPersona, known_list: FaceList, make_draft: Make, actor: Actor
    ) -> None:
        sent = submit(make_draft(known_list), actor)
        persona.faults.inject("forbidden", None, IMPORT)
        forward()
        persona.faults.inject("bad_gateway", where=IMPORTERS)
        with pytest.raises(errors.ServerTrouble):
            client.persona().importers_page()
        since = environments.gateway().problem_since

        breaker_wait_ends()
        client.persona().importers_page()
        opened = environments.gateway()
        assert (opened.sends_fail, opened.reads_fail, opened.retry_at) == (True, False, None)
        assert (opened.problem != "", opened.problem_since) == (True, since)

        persona.faults.clear()
        forward()
        assert environments.gateway().problem == ""
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_answered_send_closes_the_breaker_for_all(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("unauthorized", 1, IMPORTERS)
        with pytest.raises(errors.KeyRefused):
            client.persona().importers_page()
        breaker_wait_ends()
        make_import(known_list)
        send_next(Leases(OWNER))
        closed = environments.gateway()
        assert (closed.problem, closed.reads_fail, closed.trial) == ("", False, None)

    def test_breaker_closes_only_once_no_batch_is_in_doubt(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        doubted = [make_import(known_list, images=1, first_seed=seed) for seed in (1, 2)]
        for fault in ("drop_made", "drop_unmade"):
            persona.faults.inject(fault)
            Batch.objects.filter(state=State.UNKNOWN).update(recover_first=True)
            Gateway.objects.update(**breaker.CLOSED)
            send_next(Leases(OWNER))
        Batch.objects.update(recover_first=False)
        for is_last in (False, True):
            breaker_wait_ends()
            send_next(Leases(OWNER))
            assert (environments.gateway().problem == "") == is_last
        assert [the_only(sent).state for sent in doubted] == [State.IMPORTING] * 2

    @pytest.mark.django_db(transaction=True)
    def test_request_from_before_does_not_close_the_breaker(
        self, interrupted: LocalPersona, meanwhile: Meanwhile, make_import: Make,
        interrupted_list: FaceList,
    ) -> None:  # fmt: skip
        first, second = (
            make_import(interrupted_list, images=1, first_seed=seed) for seed in (1, 2)
        )
        interrupted.faults.inject("slow", seconds=1)

        def another_send_fails() -> None:
            interrupted.faults.inject("bad_gateway")
            send_next(Leases("another"))

        meanwhile.does = another_send_fails
        send_next(Leases(OWNER))
        assert (the_only(first).state, the_only(second).state) == (State.IMPORTING, State.UNKNOWN)
        assert environments.gateway().sends_fail

    @pytest.mark.parametrize(("fault", "problem"), [("bad_gateway", "server_trouble")])
    def test_starting_worker_leaves_a_storm_alone(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, fault: str,
        problem: str,
    ) -> None:  # fmt: skip
        persona.faults.inject(fault)
        make_import(known_list)
        send_next(Leases(OWNER))
        breaker.try_now()
        gateway = environments.gateway()
        assert (gateway.problem, gateway.retry_at is None) == (problem, False)

    def test_starting_worker_tries_again_at_once(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList
    ) -> None:
        persona.faults.inject("unauthorized")
        sent = make_import(known_list)
        forward()
        breaker.try_now()
        forward()
        assert the_only(sent).state == State.DONE


def test_every_page_shows_an_open_breaker(persona: LocalPersona, signed_in: Client) -> None:
    assert "Persona refuses" not in signed_in.get("/").content.decode()
    persona.faults.inject("unauthorized")
    with pytest.raises(errors.KeyRefused):
        client.persona().importers_page()
    for address in ("/", "/lists/", "/imports/new/"):
        html = signed_in.get(address).content.decode()
        assert "Persona refuses the API key." in html
        assert f"Sending stopped at {environments.gateway().problem_since:%H:%M} UTC." in html
        assert "Token is invalid" in html
