"""The gateway's client: each exchange leaves a row, and logs hold no secrets."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from importers.gateway import client, environments, rate_limit
from importers.local_persona import LocalPersona
from importers.models import Batch, Exchange, FaceList, Gateway, Import
from importers.persona import deadline, responses
from tests.support.batches import the_only
from tests.support.forwarding import Clock, forward

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]

Make = Callable[..., Import]
State = Batch.State
HOUR = timedelta(hours=1)
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def test_every_exchange_leaves_a_row(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    sent = make_import(known_list)
    forward()
    send, poll = Exchange.objects.order_by("pk")
    assert (send.method, send.path) == ("POST", "/importer/list-item/faces")
    assert (send.status, send.batch) == (201, the_only(sent))
    assert send.request_id.startswith("req_")
    assert (poll.method, poll.path, poll.status) == ("GET", "/importers", 200)
    assert poll.batch is None


def test_logs_hold_no_names_and_no_api_key(
    persona: LocalPersona, make_import: Make, known_list: FaceList, caplog: pytest.LogCaptureFixture
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


class TestClocks:
    """How far Persona's clock is ahead of ours, by answers that are dated in whole seconds."""

    @pytest.fixture
    def persona(self, settings: Settings, clock: Clock) -> Iterator[LocalPersona]:
        with LocalPersona(delay=0, clock=clock) as server:
            settings.PERSONA_BASE_URL = server.url
            settings.PERSONA_IS_LOCAL = True
            yield server

    @pytest.mark.parametrize("seconds", [-3600, 0, 7.5])
    def test_bounds_hold_the_difference(
        self, persona: LocalPersona, clock: Clock, seconds: float
    ) -> None:
        clock.ahead = timedelta(seconds=seconds)
        client.persona().importers_page()
        least, most = environments.gateway().clock_ahead
        assert least <= clock.ahead <= most
        assert most - least < timedelta(seconds=3)

    def test_bounds_of_many_answers_are_narrower(self, persona: LocalPersona) -> None:
        client.persona().importers_page()
        answered = environments.gateway().clocks_compared_at
        second = timedelta(seconds=1)
        Gateway.objects.update(clock_ahead_least=-second / 4, clock_ahead_most=second / 4)
        client.persona().importers_page()
        gateway = environments.gateway()
        least, most = gateway.clock_ahead
        assert -second / 4 <= least <= most <= second / 4
        assert gateway.clocks_compared_at == answered

    def test_vague_answer_does_not_widen_the_bounds(
        self, persona: LocalPersona, settings: Settings
    ) -> None:
        client.persona().importers_page()
        before = environments.gateway().clock_ahead
        persona.faults.inject("slow", seconds=0.5)
        client.persona().importers_page()
        least, most = environments.gateway().clock_ahead
        assert most - least <= before[1] - before[0]

    def test_late_record_of_an_answer_keeps_the_bounds_true(
        self, persona: LocalPersona, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The database was busy for 20 s between the answer and its record."""
        client.persona().importers_page()
        date, now, learn = responses.date, deadline.now, rate_limit.learn
        late = timedelta(seconds=20)

        def learn_late(*args: Any) -> None:
            monkeypatch.setattr(deadline, "now", lambda: now() + late.total_seconds())
            learn(*args)

        monkeypatch.setattr(responses, "date", lambda headers: (date(headers) or NEVER) - late)
        monkeypatch.setattr(rate_limit, "learn", learn_late)
        client.persona().importers_page()
        least, most = environments.gateway().clock_ahead
        assert least <= timedelta() <= most

    def test_bounds_follow_a_clock_that_was_set(self, persona: LocalPersona, clock: Clock) -> None:
        client.persona().importers_page()
        clock.ahead = timedelta(hours=2)
        client.persona().importers_page()
        least, most = environments.gateway().clock_ahead
        assert least <= clock.ahead <= most

    def test_bounds_are_measured_anew_every_hour(self, persona: LocalPersona) -> None:
        client.persona().importers_page()
        zero = timedelta()
        Gateway.objects.update(
            clock_ahead_least=zero, clock_ahead_most=zero, clocks_compared_at=Now() - 2 * HOUR
        )
        client.persona().importers_page()
        least, most = environments.gateway().clock_ahead
        assert most - least >= timedelta(seconds=1)

    def test_clocks_never_compared_may_differ_by_a_minute(self) -> None:
        assert Gateway().clock_ahead == (timedelta(minutes=-1), timedelta(minutes=1))
