"""Our share of Persona's rate limit, which all workers take from one row."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
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

LOCAL, SANDBOX = Environment.LOCAL, Environment.SANDBOX
AT_ONCE = timedelta()
pytestmark = pytest.mark.django_db


def take(times: int) -> list[bool]:
    """Whether each of so many requests was let through."""
    return [pacing.take(LOCAL) == AT_ONCE for _ in range(times)]


def about(seconds: float, wait: timedelta) -> bool:
    return timedelta(seconds=seconds - 1) < wait <= timedelta(seconds=seconds)


class TestOurShare:
    def test_is_half_of_300_a_minute(self) -> None:
        assert pacing.share(LOCAL) == Share(taken=0, allowed=150, limit=300)
        assert take(151) == [True] * 150 + [False]
        assert pacing.share(LOCAL) == Share(taken=150, allowed=150, limit=300)

    def test_once_taken_waits_until_a_minute_has_passed(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        assert take(3) == [True] * 3
        assert about(60.1, pacing.take(LOCAL))
        share_is_used(3, seconds_ago=50)
        assert about(10.1, pacing.take(LOCAL))
        share_is_used(3, seconds_ago=62)
        assert pacing.share(LOCAL).taken == 0
        assert take(4) == [True, True, True, False]

    def test_is_never_passed_in_whatever_60_seconds(self, settings: Settings) -> None:
        """A minute that begins with little and ends with much leaves little for the next."""
        settings.PERSONA_RATE_SHARE = 0.1
        take(1)
        PersonaLine.objects.update(recent={tick(55): 1, tick(5): 29})
        assert take(1) == [False]
        PersonaLine.objects.update(recent={tick(62): 1, tick(12): 29})
        assert take(2) == [True, False]

    def test_counts_what_another_worker_took_a_moment_later(self, settings: Settings) -> None:
        """While this one waited for the row."""
        settings.PERSONA_RATE_SHARE = 0.01
        take(1)
        share_is_used(3, seconds_ago=-2)
        assert take(1) == [False]

    def test_is_not_held_up_by_a_clock_that_was_put_back(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        take(1)
        share_is_used(3, seconds_ago=-3600)
        assert take(4) == [True, True, True, False]

    def test_is_never_less_than_one_request(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=20, remaining=19, reset_seconds=60))
        share_is_used(0)
        assert take(2) == [True, False]

    def test_is_the_environment_s_own(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        take(4)
        assert pacing.take(SANDBOX) == AT_ONCE
        assert (pacing.share(LOCAL).taken, pacing.share(SANDBOX).taken) == (3, 1)

    def test_holds_on_the_wire(
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


class TestARequestThatWasNotMade:
    def test_is_given_back(self) -> None:
        take(3)
        pacing.give_back(LOCAL)
        assert pacing.share(LOCAL).taken == 2

    def test_is_given_back_where_none_was_taken(self) -> None:
        pacing.give_back(LOCAL)
        assert pacing.share(LOCAL).taken == 0


class TestThePartForPolls:
    @pytest.mark.parametrize(("share", "to_send"), [(0.01, 2), (0.1, 29), (0.5, 147), (1, 294)])
    def test_is_a_fiftieth_that_sending_leaves(
        self, settings: Settings, share: float, to_send: int
    ) -> None:
        settings.PERSONA_RATE_SHARE = share
        sent = [pacing.take(LOCAL, to_send=True) == AT_ONCE for _ in range(to_send + 1)]
        assert sent == [True] * to_send + [False]
        assert take(1) == [True]

    def test_leaves_sending_one_request_at_least(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.01
        PersonaLine.objects.create(environment=LOCAL, limit=20)
        assert pacing.take(LOCAL, to_send=True) == AT_ONCE


class TestWhatPersonaTells:
    def test_of_the_limit_is_the_measure_of_our_share(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=8, remaining=7, reset_seconds=53))
        assert pacing.share(LOCAL) == Share(taken=1, allowed=4, limit=8)
        assert take(4) == [True, True, True, False]

    @pytest.mark.parametrize(("remaining", "let_through"), [(151, True), (150, True), (149, False)])
    def test_of_less_than_15_percent_left_stops_us(self, remaining: int, let_through: bool) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=1000, remaining=remaining, reset_seconds=53))
        assert take(1) == [let_through]

    def test_of_too_little_left_stops_us_until_the_reset(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=3, reset_seconds=53))
        assert about(53, pacing.take(LOCAL))
        PersonaLine.objects.update(resets_at=Now())
        assert pacing.take(LOCAL) == AT_ONCE

    def test_of_too_little_left_takes_nothing_from_our_share(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=3, reset_seconds=53))
        take(5)
        assert pacing.share(LOCAL).taken == 1

    def test_of_nothing_left_stops_also_those_to_whom_all_of_it_belongs(
        self, settings: Settings
    ) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=0, reset_seconds=53))
        assert about(53, pacing.take(LOCAL))
        PersonaLine.objects.update(resets_at=Now())
        assert pacing.take(LOCAL) == AT_ONCE

    def test_in_answers_that_overtook_each_other_is_the_least_until_the_reset(self) -> None:
        pacing.take(LOCAL)
        for remaining in (80, 20, 50):
            pacing.learn(LOCAL, RateLimit(limit=100, remaining=remaining, reset_seconds=53))
        assert PersonaLine.objects.get().remaining == 20
        PersonaLine.objects.update(resets_at=Now())
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=99, reset_seconds=60))
        assert PersonaLine.objects.get().remaining == 99

    @pytest.mark.parametrize("remaining", [14, 1])
    def test_stops_nobody_to_whom_all_of_it_belongs(
        self, settings: Settings, remaining: int
    ) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=100, remaining=remaining, reset_seconds=53))
        assert take(100) == [True] * 99 + [False]

    def test_in_nonsense_numbers_does_no_harm(self) -> None:
        pacing.take(LOCAL)
        pacing.learn(LOCAL, RateLimit(limit=0, remaining=-5, reset_seconds=-9))
        line = PersonaLine.objects.get()
        assert (line.limit, line.remaining) == (1, 0)
        share_is_used(0)
        assert take(2) == [True, False]

    def test_on_every_answer_is_what_we_go_by(
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

    def test_before_our_first_request_is_not_needed(self) -> None:
        pacing.learn(LOCAL, RateLimit(limit=8, remaining=7, reset_seconds=53))
        assert pacing.share(LOCAL).limit == 300


class TestAPause:
    def test_stops_every_request_until_it_ends(self) -> None:
        pacing.take(LOCAL)
        PersonaLine.objects.update(paused_until=Now() + timedelta(seconds=40))
        assert about(40, pacing.take(LOCAL))
        assert pacing.share(LOCAL).taken == 1
        PersonaLine.objects.update(paused_until=Now())
        assert pacing.take(LOCAL) == AT_ONCE

    def test_stops_also_those_to_whom_all_of_it_belongs(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 1.0
        pacing.take(LOCAL)
        PersonaLine.objects.update(paused_until=Now() + timedelta(seconds=40))
        assert take(1) == [False]


@pytest.mark.django_db(transaction=True)
class TestManyThreads:
    def test_together_never_take_more_than_the_share(self, settings: Settings) -> None:
        settings.PERSONA_RATE_SHARE = 0.1
        start = threading.Barrier(40)
        let_through: list[bool] = []

        def work() -> None:
            try:
                start.wait(10)
                let_through.append(pacing.take(LOCAL) == AT_ONCE)
            finally:
                database.close()

        threads = [threading.Thread(target=work) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (let_through.count(True), let_through.count(False)) == (30, 10)
        assert pacing.share(LOCAL).taken == 30
        assert PersonaLine.objects.count() == 1
