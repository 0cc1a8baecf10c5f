"""A list that Persona refuses: it is held, and other lists are still sent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Import
from tests.support.batches import OWNER, keys, sends, the_only
from tests.support.forwarding import forward, time_passes

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State


def test_refused_list_does_not_hold_others(
    persona: LocalPersona,
    make_import: Make,
    face_list: FaceList,
    known_list: FaceList,
    settings: Settings,
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    waiting = make_import(face_list)
    sending = make_import(known_list, first_seed=10)
    forward()
    assert [batch.state for batch in waiting.batches.all()] == [State.QUEUED] * 3
    assert [batch.state for batch in sending.batches.all()] == [State.DONE] * 3
    face_list.refresh_from_db()
    assert face_list.problem == "Persona answered 404: Record not found"
    assert face_list.held_until
    assert face_list.held_until > datetime.now(UTC)
    assert len(sends(persona)) == 4
    waiting.refresh_from_db()
    assert waiting.state == Import.State.FORWARDING


def test_held_list_is_sent_under_a_new_key(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    persona.faults.inject("not_found")  # Persona keeps this answer under the key
    sent = make_import(known_list)
    forward()
    assert the_only(sent).idempotency_key is None
    time_passes()
    forward()
    batch = the_only(sent)
    assert batch.state == State.DONE
    refused, accepted = keys(persona)
    assert refused != accepted == str(batch.idempotency_key)
    known_list.refresh_from_db()
    assert (known_list.problem, known_list.held_until, known_list.refusals) == ("", None, 0)


def test_archived_list_is_held_and_tried_again(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    archived = persona.add_list("Old", archived=True)
    FaceList.objects.filter(pk=known_list.pk).update(persona_id=archived)
    known_list.refresh_from_db()
    sent = make_import(known_list)
    forward()
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.QUEUED, "list_refused")
    known_list.refresh_from_db()
    assert known_list.problem == ("Persona answered 422: Unprocessable entity: List is archived")
    time_passes()
    forward()
    assert len(set(keys(persona))) == 2
    assert persona.ledger() == []


def test_list_is_held_longer_after_each_refusal(
    persona: LocalPersona, make_import: Make, face_list: FaceList
) -> None:
    make_import(face_list)
    waits = []
    for _ in range(8):
        time_passes()
        send_next(Leases(OWNER))
        face_list.refresh_from_db()
        assert face_list.held_until
        waits.append(round((face_list.held_until - datetime.now(UTC)).total_seconds()))
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600]


def test_list_refused_for_a_week_is_still_tried_every_ten_minutes(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    persona.faults.inject("not_found")
    sent = make_import(known_list)
    week = timedelta(days=7)
    FaceList.objects.update(refusals=1_008, problem="Not found", problem_since=Now() - week)
    assert send_next(Leases(OWNER))
    known_list.refresh_from_db()
    assert known_list.held_until
    assert known_list.held_until - datetime.now(UTC) <= timedelta(minutes=10)
    assert not send_next(Leases(OWNER)), "it waits"
    time_passes()
    forward()
    assert the_only(sent).state == State.DONE


def test_retry_releases_a_held_list_at_once(
    persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
) -> None:
    persona.faults.inject("not_found")
    sent = make_import(known_list)
    forward()
    assert retry(sent, actor) == 0
    forward()
    assert the_only(sent).state == State.DONE
