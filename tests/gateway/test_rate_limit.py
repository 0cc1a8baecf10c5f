"""The rate budget: our share of Persona's rate limit, reserved from one row by all workers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from importers import pacing
from importers.audit import Actor
from importers.local_persona import LocalPersona
from importers.models import Environment, FaceList, Import, PersonaLine
from importers.pacing import Share
from importers.persona.answers import RateLimit
from tests.support.attestations import submit
from tests.support.forwarding import forward, share_is_used, tick
from tests.support.threads import at_once

LOCAL, SANDBOX = Environment.LOCAL, Environment.SANDBOX
AT_ONCE = timedelta()
pytestmark = pytest.mark.django_db


def reserve(times: int) -> list[bool]:
    """Reserve so many requests, and return for each of them whether it may be made now."""
    return [pacing.take(LOCAL) == AT_ONCE for _ in range(times)]


def about(seconds: float, wait: timedelta) -> bool:
    """Return True if the wait is at most this long, and at most a second shorter."""
    return timedelta(seconds=seconds - 1) < wait <= timedelta(seconds=seconds)


class TestBudget:
    def test_budget_is_half_of_300_requests_a_minute(self) -> None:
        assert pacing.share(LOCAL) == Share(taken=0, allowed=150, limit=300)
        assert reserve(151) == [True] * 150 + [False]
        assert pacing.share(LOCAL) == Share(taken=150, allowed=150, limit=300)

    def test_reservations_expire_after_a_minute(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        assert reserve(3) == [True] * 3
        assert about(60.1, pacing.take(LOCAL))
        share_is_used(3, seconds_ago=50)
        assert about(10.1, pacing.take(LOCAL))
        share_is_used(3, seconds_ago=62)
        assert pacing.share(LOCAL).taken == 0
        assert reserve(4) == [True, True, True, False]

    def test_budget_holds_in_any_60_seconds(self, settings: Settings) -> None:
        """Requests made late in one minute reduce the budget of the next."""
        settings.PERSONA_RATE_SHARE = 0.1
        reserve(1)
        PersonaLine.objects.update(recent={tick(55): 1, tick(5): 29})
        assert reserve(1) == [False]
        PersonaLine.objects.update(recent={tick(62): 1, tick(12): 29})
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
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=20, remaining=19, reset_seconds=60))
        share_is_used(0)
        assert reserve(2) == [True, False]

    def test_each_environment_has_its_own_budget(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        reserve(4)
        assert pacing.take(SANDBOX) == AT_ONCE
        assert (pacing.share(LOCAL).taken, pacing.share(SANDBOX).taken) == (3, 1)

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
        pacing.give_back(LOCAL)
        assert pacing.share(LOCAL).taken == 2

    def test_release_without_reservation_does_nothing(self) -> None:
        pacing.give_back(LOCAL)
        assert pacing.share(LOCAL).taken == 0


class TestReserveForPolls:
    @pytest.mark.parametrize(("share", "to_send"), [(0.01, 2), (0.1, 29), (0.5, 147), (1, 294)])
    def test_sending_leaves_a_fiftieth_to_polls(
        self, settings: Settings, share: float, to_send: int
    ) -> None:
        settings.PERSONA_RATE_SHARE = share
        sent = [pacing.take(LOCAL, to_send=True) == AT_ONCE for _ in range(to_send + 1)]
        assert sent == [True] * to_send + [False]
        assert reserve(1) == [True]

    def test_sending_gets_at_least_one_request(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        PersonaLine.objects.create(environment=LOCAL, limit=20)
        assert pacing.take(LOCAL, to_send=True) == AT_ONCE


class TestPersonasLimit:
    def test_budget_follows_personas_limit(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=8, remaining=7, reset_seconds=53))
        assert pacing.share(LOCAL) == Share(taken=1, allowed=4, limit=8)
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
        assert pacing.share(LOCAL) == Share(taken=6, allowed=6, limit=12)

    def test_limit_is_ignored_before_the_first_request(self) -> None:
        pacing.learn(LOCAL, RateLimit(limit=8, remaining=7, reset_seconds=53))
        assert pacing.share(LOCAL).limit == 300

    def test_nonsense_limit_allows_one_request(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=0, remaining=-5, reset_seconds=-9))
        gateway = PersonaLine.objects.get()
        assert (gateway.limit, gateway.remaining) == (1, 0)
        share_is_used(0)
        assert reserve(2) == [True, False]

    @pytest.mark.parametrize(("remaining", "let_through"), [(151, True), (150, True), (149, False)])
    def test_requests_stop_below_15_percent_remaining(
        self, remaining: int, let_through: bool
    ) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=1000, remaining=remaining, reset_seconds=53))
        assert reserve(1) == [let_through]

    def test_requests_wait_for_the_reset(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=3, reset_seconds=53))
        assert about(53, pacing.take(LOCAL))
        PersonaLine.objects.update(resets_at=Now())
        assert pacing.take(LOCAL) == AT_ONCE

    def test_refused_reservation_uses_no_budget(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=3, reset_seconds=53))
        reserve(5)
        assert pacing.share(LOCAL).taken == 1

    def test_lowest_remaining_counts_until_the_reset(self) -> None:
        pacing.take(LOCAL)
        for remaining in (80, 20, 50):
            pacing.learn(LOCAL, RateLimit(limit=100, remaining=remaining, reset_seconds=53))
        assert PersonaLine.objects.get().remaining == 20
        PersonaLine.objects.update(resets_at=Now())
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=99, reset_seconds=60))
        assert PersonaLine.objects.get().remaining == 99

    @pytest.mark.parametrize("remaining", [14, 1])
    def test_share_of_one_has_no_floor(self, settings: Settings, remaining: int) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=remaining, reset_seconds=53))
        assert reserve(100) == [True] * 99 + [False]

    def test_share_of_one_waits_when_none_remain(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=0, reset_seconds=53))
        assert about(53, pacing.take(LOCAL))
        PersonaLine.objects.update(resets_at=Now())
        assert pacing.take(LOCAL) == AT_ONCE


class TestOpenBreaker:
    def test_open_breaker_stops_every_request(self) -> None:
        pacing.take(LOCAL)
        PersonaLine.objects.update(paused_until=Now() + timedelta(seconds=40))
        assert about(40, pacing.take(LOCAL))
        assert pacing.share(LOCAL).taken == 1
        PersonaLine.objects.update(paused_until=Now())
        assert pacing.take(LOCAL) == AT_ONCE

    def test_open_breaker_stops_a_share_of_one(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        pacing.take(LOCAL)
        PersonaLine.objects.update(paused_until=Now() + timedelta(seconds=40))
        assert reserve(1) == [False]


@pytest.mark.django_db(transaction=True)
def test_concurrent_reservations_keep_the_budget(settings: Settings) -> None:
    settings.PERSONA_RATE_SHARE = 0.1
    let_through = at_once(40, lambda name: pacing.take(LOCAL) == AT_ONCE)
    assert (let_through.count(True), let_through.count(False)) == (30, 10)
    assert pacing.share(LOCAL).taken == 30
    assert PersonaLine.objects.count() == 1
