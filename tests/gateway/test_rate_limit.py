"""The rate budget: our share of Persona's rate limit, reserved from one row by all workers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.gateway import rate_limit
from importers.gateway.rate_limit import Budget
from importers.local_persona import LocalPersona
from importers.models import Environment, FaceList, Gateway, Import
from importers.persona.responses import RateLimit
from tests.support.attestations import submit
from tests.support.forwarding import forward, share_is_used, tick
from tests.support.threads import at_once

LOCAL, SANDBOX = Environment.LOCAL, Environment.SANDBOX
AT_ONCE = timedelta()
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def reserve(times: int) -> list[bool]:
    """Reserve so many requests, and return for each of them whether it may be made now."""
    return [rate_limit.reserve(LOCAL) == AT_ONCE for _ in range(times)]


def about(seconds: float, wait: timedelta) -> bool:
    """Return True if the wait is at most this long, and at most a second shorter."""
    return timedelta(seconds=seconds - 1) < wait <= timedelta(seconds=seconds)


class TestBudget:
    def test_budget_is_half_of_300_requests_a_minute(self) -> None:
        assert rate_limit.budget(LOCAL) == Budget(used=0, allowed=150, limit=300)
        assert reserve(151) == [True] * 150 + [False]
        assert rate_limit.budget(LOCAL) == Budget(used=150, allowed=150, limit=300)

    def test_reservations_expire_after_a_minute(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        assert reserve(3) == [True] * 3
        assert about(60.1, rate_limit.reserve(LOCAL))
        share_is_used(3, seconds_ago=50)
        assert about(10.1, rate_limit.reserve(LOCAL))
        share_is_used(3, seconds_ago=62)
        assert rate_limit.budget(LOCAL).used == 0
        assert reserve(4) == [True, True, True, False]

    def test_budget_holds_in_any_60_seconds(self, settings: Settings) -> None:
        """Requests made late in one minute reduce the budget of the next."""
        settings.PERSONA_RATE_SHARE = 0.1
        reserve(1)
        Gateway.objects.update(recent={tick(55): 1, tick(5): 29})
        assert reserve(1) == [False]
        Gateway.objects.update(recent={tick(62): 1, tick(12): 29})
        assert reserve(2) == [True, False]

    def test_budget_counts_other_workers_reservations(self, settings: Settings) -> None:
        """The other worker reserved while this one waited for the row."""
        settings.PERSONA_RATE_SHARE = 0.01
        reserve(1)
        share_is_used(3, seconds_ago=-2)
        assert reserve(1) == [False]

    def test_budget_survives_a_clock_set_back(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        reserve(1)
        share_is_used(3, seconds_ago=-3600)
        assert reserve(4) == [True, True, True, False]

    def test_budget_is_at_least_one_request(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=20, remaining=19, reset_seconds=60))
        share_is_used(0)
        assert reserve(2) == [True, False]

    def test_each_environment_has_its_own_budget(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        reserve(4)
        assert rate_limit.reserve(SANDBOX) == AT_ONCE
        assert (rate_limit.budget(LOCAL).used, rate_limit.budget(SANDBOX).used) == (3, 1)

    def test_no_request_is_made_beyond_the_budget(
        self,
        persona: LocalPersona,
        make_draft: Callable[..., Import],
        known_list: FaceList,
        actor: Actor,
        settings: Settings,
    ) -> None:
        settings.PERSONA_RATE_SHARE, settings.BATCH_MAX_IMAGES = 0.01, 1
        submit(make_draft(known_list, images=5), actor)
        forward()
        assert len(persona.requests()) == 3


class TestRelease:
    def test_request_that_was_not_made_is_released(self) -> None:
        reserve(3)
        rate_limit.release(LOCAL)
        assert rate_limit.budget(LOCAL).used == 2

    def test_release_without_reservation_does_nothing(self) -> None:
        rate_limit.release(LOCAL)
        assert rate_limit.budget(LOCAL).used == 0


class TestReserveForPolls:
    @pytest.mark.parametrize(("share", "to_send"), [(0.01, 2), (0.1, 29), (0.5, 147), (1, 294)])
    def test_sending_leaves_a_fiftieth_to_polls(
        self, settings: Settings, share: float, to_send: int
    ) -> None:
        settings.PERSONA_RATE_SHARE = share
        sent = [rate_limit.reserve(LOCAL, to_send=True) == AT_ONCE for _ in range(to_send + 1)]
        assert sent == [True] * to_send + [False]
        assert reserve(1) == [True]

    def test_sending_gets_at_least_one_request(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        Gateway.objects.create(environment=LOCAL, rate_limit=20)
        assert rate_limit.reserve(LOCAL, to_send=True) == AT_ONCE


class TestPersonasLimit:
    def test_budget_follows_personas_limit(self) -> None:
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=8, remaining=7, reset_seconds=53))
        assert rate_limit.budget(LOCAL) == Budget(used=1, allowed=4, limit=8)
        assert reserve(4) == [True, True, True, False]

    def test_limit_is_read_from_every_answer(
        self,
        make_draft: Callable[..., Import],
        face_list: FaceList,
        actor: Actor,
        settings: Settings,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        with LocalPersona(rate_limit=12) as persona:
            settings.PERSONA_BASE_URL, settings.PERSONA_IS_LOCAL = persona.url, True
            FaceList.objects.update(persona_id=persona.add_list("Known fraud"))
            face_list.refresh_from_db()
            submit(make_draft(face_list, images=8), actor)
            forward()
            assert len(persona.requests()) == 6
        assert rate_limit.budget(LOCAL) == Budget(used=6, allowed=6, limit=12)

    def test_limit_is_ignored_before_the_first_request(self) -> None:
        rate_limit.learn(LOCAL, RateLimit(limit=8, remaining=7, reset_seconds=53))
        assert rate_limit.budget(LOCAL).limit == 300

    def test_nonsense_limit_allows_one_request(self) -> None:
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=0, remaining=-5, reset_seconds=-9))
        gateway = Gateway.objects.get()
        assert (gateway.rate_limit, gateway.rate_remaining) == (1, 0)
        share_is_used(0)
        assert reserve(2) == [True, False]

    @pytest.mark.parametrize(("remaining", "let_through"), [(151, True), (150, True), (149, False)])
    def test_requests_stop_below_15_percent_remaining(
        self, remaining: int, let_through: bool
    ) -> None:
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=1000, remaining=remaining, reset_seconds=53))
        assert reserve(1) == [let_through]

    def test_requests_wait_for_the_reset(self) -> None:
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=100, remaining=3, reset_seconds=53))
        assert about(53, rate_limit.reserve(LOCAL))
        Gateway.objects.update(rate_resets_at=Now())
        assert rate_limit.reserve(LOCAL) == AT_ONCE

    def test_refused_reservation_uses_no_budget(self) -> None:
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=100, remaining=3, reset_seconds=53))
        reserve(5)
        assert rate_limit.budget(LOCAL).used == 1

    def test_lowest_remaining_counts_until_the_reset(self) -> None:
        rate_limit.reserve(LOCAL)
        for remaining in (80, 20, 50):
            rate_limit.learn(LOCAL, RateLimit(limit=100, remaining=remaining, reset_seconds=53))
        assert Gateway.objects.get().rate_remaining == 20
        Gateway.objects.update(rate_resets_at=Now())
        rate_limit.learn(LOCAL, RateLimit(limit=100, remaining=99, reset_seconds=60))
        assert Gateway.objects.get().rate_remaining == 99

    @pytest.mark.parametrize("remaining", [14, 1])
    def test_share_of_one_has_no_floor(self, settings: Settings, remaining: int) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=100, remaining=remaining, reset_seconds=53))
        assert reserve(100) == [True] * 99 + [False]

    def test_share_of_one_waits_when_none_remain(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        rate_limit.reserve(LOCAL)
        rate_limit.learn(LOCAL, RateLimit(limit=100, remaining=0, reset_seconds=53))
        assert about(53, rate_limit.reserve(LOCAL))
        Gateway.objects.update(rate_resets_at=Now())
        assert rate_limit.reserve(LOCAL) == AT_ONCE


class TestOpenBreaker:
    def test_open_breaker_stops_every_request(self) -> None:
        rate_limit.reserve(LOCAL)
        Gateway.objects.update(retry_at=Now() + timedelta(seconds=40))
        assert about(40, rate_limit.reserve(LOCAL))
        assert rate_limit.budget(LOCAL).used == 1
        Gateway.objects.update(retry_at=Now())
        assert rate_limit.reserve(LOCAL) == AT_ONCE

    def test_open_breaker_stops_a_share_of_one(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        rate_limit.reserve(LOCAL)
        Gateway.objects.update(retry_at=Now() + timedelta(seconds=40))
        assert reserve(1) == [False]


@pytest.mark.django_db(transaction=True)
def test_concurrent_reservations_keep_the_budget(settings: Settings) -> None:
    settings.PERSONA_RATE_SHARE = 0.1
    let_through = at_once(40, lambda name: rate_limit.reserve(LOCAL) == AT_ONCE)
    assert (let_through.count(True), let_through.count(False)) == (30, 10)
    assert rate_limit.budget(LOCAL).used == 30
    assert Gateway.objects.count() == 1
