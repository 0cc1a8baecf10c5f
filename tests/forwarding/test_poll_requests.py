"""Polling: how many requests it makes, and when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.polling import poll
from importers.local_persona import LocalPersona
from importers.models import Batch, Environment, FaceList, Gateway, Import
from importers.persona.client import Client, ImageFile
from tests.support.attestations import submit
from tests.support.batches import import_state, polls
from tests.support.forwarding import share_is_used
from tests.support.pictures import draw

Make = Callable[..., Import]
State = Batch.State
INDEX = "GET /importers"


def seconds_to_next_poll() -> float:
    until = Gateway.objects.get().next_poll_at
    return (until - datetime.now(UTC)).total_seconds() if until else 0


def import_by_others(persona: LocalPersona, times: int) -> None:
    """Make importers that are not ours in the same environment of Persona."""
    client = Client(persona.url, persona.key, version="2025-12-08", timeout_seconds=10)
    list_id = persona.add_list("Theirs")
    file = ImageFile("theirs.png", "image/png", draw(1000, size=(200, 200), kind="PNG"))
    for n in range(times):
        client.import_faces(list_id, [file], f"others-{n}")


def test_one_request_polls_many_importers(
    persona: LocalPersona, at_persona: Make, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    imports = [at_persona(images=4, first_seed=seed) for seed in (0, 10)]
    poll()
    assert polls(persona) == ["/importers"]
    assert not Batch.objects.exclude(state=State.DONE).exists()
    assert {import_state(row) for row in imports} == {Import.State.COMPLETED}


def test_importers_off_the_first_page_are_polled_singly(
    persona: LocalPersona, at_persona: Make, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    old = at_persona(images=2).batches.order_by("number")
    import_by_others(persona, 100)
    at_persona(images=1, first_seed=10)
    poll()
    assert polls(persona) == ["/importers", *(f"/importers/{row.importer_id}" for row in old)]
    assert not Batch.objects.exclude(state=State.DONE).exists()


def test_next_page_is_read_if_cheaper(
    persona: LocalPersona, at_persona: Make, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    old = at_persona(images=4).batches.order_by("number")
    import_by_others(persona, 98)
    at_persona(images=2, first_seed=10)
    poll()
    assert polls(persona) == ["/importers", "/importers"]
    assert not Batch.objects.exclude(state=State.DONE).exists()
    assert old.count() == 4


def test_polls_are_at_least_two_seconds_apart(persona: LocalPersona, at_persona: Make) -> None:
    persona.faults.inject("stuck", times=None)
    at_persona()
    assert poll()
    Batch.objects.update(next_attempt_at=Now())
    assert not poll()
    assert seconds_to_next_poll() == pytest.approx(2, abs=0.5)
    Gateway.objects.update(next_poll_at=Now())
    assert poll()
    assert polls(persona) == ["/importers"] * 2


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 20), (1.0, 10)])
def test_polls_use_a_fiftieth_while_batches_wait(
    persona: LocalPersona,
    at_persona: Make,
    make_draft: Make,
    known_list: FaceList,
    actor: Actor,
    settings: Settings,
    share: float,
    seconds: float,
) -> None:
    settings.PERSONA_RATE_SHARE = share
    at_persona()
    submit(make_draft(known_list, first_seed=10), actor)
    poll()
    assert seconds_to_next_poll() == pytest.approx(seconds, abs=0.5)


def test_nothing_is_polled_before_it_is_due(persona: LocalPersona, at_persona: Make) -> None:
    at_persona()
    Batch.objects.update(next_attempt_at=Now() + timedelta(seconds=1))
    assert not poll()
    assert polls(persona) == []


def test_other_environments_are_not_polled(persona: LocalPersona, at_persona: Make) -> None:
    at_persona()
    Batch.objects.update(environment=Environment.PRODUCTION)
    assert not poll()
    assert polls(persona) == []


def test_poll_updates_importers_not_due_yet(persona: LocalPersona, at_persona: Make) -> None:
    at_persona()
    later = at_persona(first_seed=10).batches.get()
    Batch.objects.filter(pk=later.pk).update(next_attempt_at=Now() + timedelta(seconds=60))
    poll()
    later.refresh_from_db()
    assert later.state == State.DONE


def test_poll_waits_while_the_breaker_is_open(persona: LocalPersona, at_persona: Make) -> None:
    batch = at_persona().batches.get()
    Gateway.objects.update(reads_fail=True, retry_at=Now() + timedelta(seconds=30))
    assert not poll()
    assert polls(persona) == []
    assert Batch.objects.filter(pk=batch.pk).to_poll().exists()


def test_single_polls_wait_for_the_rate_budget(
    persona: LocalPersona, at_persona: Make, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    persona.faults.inject("gone", times=None, where=INDEX)
    at_persona(images=3)
    share_is_used(148)
    poll()
    assert len(polls(persona)) == 2
    assert Batch.objects.filter(state=State.IMPORTING).to_poll().count() == 2


@pytest.mark.parametrize(
    ("age_seconds", "pause_seconds"), [(0, 2), (15, 2), (100, 10), (590, 59), (10 * 86_400, 60)]
)
def test_older_importers_are_polled_less_often(
    persona: LocalPersona, at_persona: Make, age_seconds: int, pause_seconds: int
) -> None:
    persona.faults.inject("stuck", times=None)
    batch = at_persona().batches.get()
    age = timedelta(seconds=age_seconds)
    Batch.objects.update(accepted_at=F("accepted_at") - age)
    poll()
    batch.refresh_from_db()
    wait = (batch.next_attempt_at - datetime.now(UTC)).total_seconds()
    assert pause_seconds - 0.5 < wait < pause_seconds + 0.5
