"""The rate budget: our share of Persona's rate limit, reserved from one row by all workers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.gateway import breaker, rate_limit
from importers.gateway.rate_limit import Budget, NoRequestLeft
from importers.local_persona import LocalPersona
from importers.models import Environment, Exchange, FaceList, Gateway, Import
from importers.persona.responses import RateLimit
from tests.support.attestations import submit
from tests.support.forwarding import forward, share_is_used
from tests.support.threads import at_once

LOCAL, SANDBOX = Environment.LOCAL, Environment.SANDBOX
AT_ONCE = timedelta()
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def reserve(times: int, *, to_send: bool = False) -> list[bool]:
    """Reserve so many requests, and return for each of them whether it may be made now."""
    return [wait(to_send=to_send) == AT_ONCE for _ in range(times)]


def wait(*, to_send: bool = False) -> timedelta:
    """Reserve a request. Return zero, or how long to wait before another try."""
    try:
        rate_limit.reserve(LOCAL, to_send=to_send)
    except NoRequestLeft as full:
        return full.wait
    return AT_ONCE


def end_requests(seconds_ago: float = 0) -> None:
    """End every request that is under way."""
    ended_at = Now() - timedelta(seconds=seconds_ago)
    Exchange.objects.filter(ended_at=None).update(ended_at=ended_at)


def stop_requests(**values: object) -> None:
    Gateway.objects.update(problem="unreachable", **values)


def about(seconds: float, wait: timedelta) -> bool:
    """Return True if the wait is at most this long, and at most a second shorter."""
    return timedelta(seconds=seconds - 1) < wait <= timedelta(seconds=seconds)


class TestBudget:
    def test_budget_is_half_of_300_requests_a_minute(self) -> None:
        assert rate_limit.budget(LOCAL) == Budget(used=0, allowed=150, limit=300)
        assert reserve(151) == [True] * 150 + [False]
        assert rate_limit.budget(LOCAL) == Budget(used=150, allowed=150, limit=300)

    def test_requests_expire_a_minute_after_their_end(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        assert reserve(3) == [True] * 3
        end_requests()
        assert about(60, wait())
        share_is_used(3, seconds_ago=50)
        assert about(10, wait())
        share_is_used(3, seconds_ago=62)
        assert rate_limit.budget(LOCAL).used == 0
        assert reserve(4) == [True, True, True, False]

    def test_request_under_way_counts_however_long_it_takes(self, settings: Settings) -> None:
        """It may reach Persona at any moment until it ends."""
        settings.PERSONA_RATE_SHARE = 0.01
        reserve(3)
        Exchange.objects.update(began_at=Now() - timedelta(seconds=100))
        assert wait() == breaker.ASK_AGAIN
        end_requests()
        assert about(60, wait())

    def test_request_of_a_dead_worker_expires(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        reserve(3)
        longest = breaker.longest_request() + rate_limit.window()
        Exchange.objects.update(began_at=Now() - longest)
        assert reserve(4) == [True, True, True, False]

    def test_budget_holds_in_any_60_seconds(self, settings: Settings) -> None:
        """Requests made late in one minute reduce the budget of the next."""
        settings.PERSONA_RATE_SHARE = 0.1
        reserve(1)
        share_is_used(29, seconds_ago=5)
        reserve(1)
        end_requests(seconds_ago=55)
        assert reserve(1) == [False]
        share_is_used(29, seconds_ago=12)
        assert reserve(2) == [True, False]

    def test_budget_counts_other_workers_requests(self, settings: Settings) -> None:
        """The other worker's request ended while this one waited for the row."""
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
        rate_limit.reserve(SANDBOX)
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
        reserve(2)
        rate_limit.release(rate_limit.reserve(LOCAL))
        assert rate_limit.budget(LOCAL).used == 2


class TestBegin:
    def test_request_counts_from_when_it_leaves(self) -> None:
        exchange = rate_limit.reserve(LOCAL, to_send=True)
        Exchange.objects.update(began_at=Now() - timedelta(seconds=20))
        assert rate_limit.begin(exchange)
        exchange.refresh_from_db()
        assert datetime.now(UTC) - exchange.began_at < timedelta(seconds=5)

    @pytest.mark.parametrize(
        "stop", [{"sends_fail": True}, {"reads_fail": True}, {"paused_at": Now()}]
    )
    def test_reserved_send_is_stopped_before_it_leaves(self, stop: dict[str, Any]) -> None:
        exchange = rate_limit.reserve(LOCAL, to_send=True)
        Gateway.objects.update(**stop)
        assert not rate_limit.begin(exchange)

    def test_reservation_that_no_longer_counts_does_not_leave(self) -> None:
        """Others may have used the budget since."""
        exchange = rate_limit.reserve(LOCAL, to_send=True)
        longest = breaker.longest_request() + rate_limit.window()
        Exchange.objects.update(began_at=Now() - longest)
        assert not rate_limit.begin(exchange)

    def test_trial_may_leave(self) -> None:
        reserve(1)
        stop_requests(sends_fail=True)
        assert rate_limit.begin(rate_limit.reserve(LOCAL, to_send=True))


class TestReserveForPolls:
    @pytest.mark.parametrize(("share", "to_send"), [(0.01, 2), (0.1, 29), (0.5, 147), (1, 294)])
    def test_sending_leaves_a_fiftieth_to_polls(
        self, settings: Settings, share: float, to_send: int
    ) -> None:
        settings.PERSONA_RATE_SHARE = share
        assert reserve(to_send + 1, to_send=True) == [True] * to_send + [False]
        assert reserve(1) == [True]

    def test_sending_gets_at_least_one_request(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        Gateway.objects.create(environment=LOCAL, rate_limit=20)
        assert reserve(1, to_send=True) == [True]


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
        assert about(53, wait())
        Gateway.objects.update(rate_resets_at=Now())
        assert wait() == AT_ONCE

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
        assert about(53, wait())
        Gateway.objects.update(rate_resets_at=Now())
        assert wait() == AT_ONCE


class TestOpenBreaker:
    def test_failing_reads_stop_every_request(self) -> None:
        reserve(1)
        stop_requests(reads_fail=True, retry_at=Now() + timedelta(seconds=40))
        assert about(40, wait())
        assert about(40, wait(to_send=True))
        assert rate_limit.budget(LOCAL).used == 1

    def test_failing_sends_stop_only_sends(self) -> None:
        reserve(1)
        stop_requests(sends_fail=True, retry_at=Now() + timedelta(seconds=40))
        assert about(40, wait(to_send=True))
        assert reserve(2) == [True, True]

    def test_one_trial_goes_at_a_time(self) -> None:
        reserve(1)
        stop_requests(sends_fail=True, retry_at=Now())
        assert reserve(2, to_send=True) == [True, False]
        assert wait(to_send=True) == breaker.ASK_AGAIN
        end_requests()
        assert reserve(2, to_send=True) == [True, False]

    def test_trial_of_a_dead_worker_is_replaced(self) -> None:
        reserve(1)
        stop_requests(sends_fail=True)
        assert reserve(2, to_send=True) == [True, False]
        Exchange.objects.update(began_at=Now() - breaker.longest_request())
        assert reserve(2, to_send=True) == [True, False]

    def test_released_trial_is_replaced(self) -> None:
        reserve(1)
        stop_requests(sends_fail=True)
        rate_limit.release(rate_limit.reserve(LOCAL, to_send=True))
        assert reserve(2, to_send=True) == [True, False]

    def test_open_breaker_stops_a_share_of_one(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        reserve(1)
        stop_requests(reads_fail=True, retry_at=Now() + timedelta(seconds=40))
        assert reserve(1) == [False]


@pytest.mark.django_db(transaction=True)
def test_concurrent_reservations_keep_the_budget(settings: Settings) -> None:
    settings.PERSONA_RATE_SHARE = 0.1
    let_through = at_once(40, lambda name: wait() == AT_ONCE)
    assert (let_through.count(True), let_through.count(False)) == (30, 10)
    assert rate_limit.budget(LOCAL).used == 30
    assert Gateway.objects.count() == 1
