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
from importers.local_persona import IMPORT, IMPORTERS, LocalPersona
from importers.models import Batch, Environment, Exchange, FaceList, Gateway, Import
from importers.persona import errors
from tests.support.attestations import submit
from tests.support.batches import OWNER, keys, the_only
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
        ("fault", "method"),
        [("forbidden", "POST"), ("unauthorized", ""), ("rate_limited", ""), ("drop_unmade", "")],
    )
    def test_breaker_stops_one_method_only_if_forbidden(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        fault: str,
        method: str,
    ) -> None:
        persona.faults.inject(fault)
        make_import(known_list)
        send_next(Leases(OWNER))
        assert environments.gateway().failing_method == method
        time_passes()
        send_next(Leases(OWNER))
        assert (environments.gateway().problem, environments.gateway().failing_method) == ("", "")

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


class TestClosing:
    def test_half_open_breaker_allows_one_request(self, persona: LocalPersona) -> None:
        persona.faults.inject("unauthorized")
        with pytest.raises(errors.KeyRefused):
            client.persona().importers_page()
        assert rate_limit.reserve(Environment.LOCAL)
        breaker_wait_ends()

        assert not rate_limit.reserve(Environment.LOCAL)
        assert rate_limit.reserve(Environment.LOCAL)

        client.persona().importers_page()
        assert not rate_limit.reserve(Environment.LOCAL)
        assert not rate_limit.reserve(Environment.LOCAL)

    def test_poll_does_not_close_the_breaker_for_sends(
        self, persona: LocalPersona, known_list: FaceList, make_draft: Make, actor: Actor
    ) -> None:
        sent = submit(make_draft(known_list), actor)
        persona.faults.inject("forbidden", None, IMPORT)
        forward()
        since = environments.gateway().problem_since
        assert environments.gateway().problem == "key_refused"

        breaker_wait_ends()
        client.persona().importers_page()
        assert environments.gateway().problem == "key_refused"
        assert environments.gateway().problem_since == since

        persona.faults.clear()
        breaker_wait_ends()
        forward()
        assert environments.gateway().problem == ""
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_any_answer_closes_a_breaker_for_all(self, persona: LocalPersona) -> None:
        persona.faults.inject("unauthorized", 1, IMPORTERS)
        with pytest.raises(errors.KeyRefused):
            client.persona().importers_page()
        assert environments.gateway().problem == "key_refused"
        client.persona().lists_page()
        assert environments.gateway().problem == ""

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
