"""The audit trail: rows are appended to one chain."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER, Actor
from importers.models import AuditEvent, AuditHead, FaceList, Person
from tests.support.trail import breaks, row_hash

pytestmark = pytest.mark.on_both_databases

NONE = "0" * 64


def test_row_records_who_did_which_act_when_and_where(
    actor: Actor, officer: Person, face_list: FaceList
) -> None:
    before = datetime.now(UTC)
    trail.append(actor, Action.LIST_ADDED, face_list, persona_id="lst_unknown")
    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_name) == (officer, "officer")
    assert event.address == "192.0.2.7"
    assert event.action == "list.added"
    assert (event.object_type, event.object_id) == ("facelist", str(face_list.pk))
    assert event.details == {"persona_id": "lst_unknown"}
    assert before <= event.at <= datetime.now(UTC)


@pytest.mark.django_db
def test_worker_is_no_person_and_an_act_needs_no_object() -> None:
    trail.append(WORKER, Action.DATABASE_RESTORED)
    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_name, event.address) == (None, "worker", "")
    assert (event.object_type, event.object_id, event.details) == ("", "", {})


def test_each_row_carries_the_previous_hash(chain: list[AuditEvent]) -> None:
    hashes = [event.hash for event in chain]
    assert [event.previous_hash for event in chain] == [NONE, *hashes[:-1]]
    assert len(set(hashes)) == 5


def test_anyone_can_compute_the_hash_of_a_row(chain: list[AuditEvent]) -> None:
    assert [event.hash for event in chain] == [row_hash(event) for event in chain]


def test_rows_are_numbered_and_the_head_names_the_last(chain: list[AuditEvent]) -> None:
    assert [event.pk for event in chain] == [1, 2, 3, 4, 5]
    head = AuditHead.objects.get()
    assert (head.pk, head.length, head.hash) == (1, 5, chain[-1].hash)


def test_row_is_rolled_back_with_its_act(chain: list[AuditEvent], actor: Actor) -> None:
    with transaction.atomic():
        trail.append(actor, Action.LIST_ADDED)
        assert AuditEvent.objects.count() == 6
        transaction.set_rollback(True)
    assert list(AuditEvent.objects.all()) == chain
    trail.append(actor, Action.LIST_ADDED)
    assert AuditEvent.objects.latest("pk").previous_hash == chain[-1].hash
    assert breaks() == []


@pytest.mark.django_db
def test_details_of_any_script_and_depth_keep_their_hash() -> None:
    details: dict[str, Any] = {
        "name": "Zoë 周恩来 🎭 \u2028 \u202e \" \\ '",
        "nested": {"z": [1, -2, None, True, {"b": [], "a": {}}], "a": ""},
        "large": 2**53,
    }
    trail.append(WORKER, Action.BATCH_ACCEPTED, **details)
    assert AuditEvent.objects.get().details == details
    assert breaks() == []


@pytest.mark.django_db(transaction=True)
def test_twenty_threads_write_one_chain() -> None:
    start = threading.Barrier(20)

    def write(number: int) -> None:
        start.wait(timeout=20)
        try:
            trail.append(WORKER, Action.BATCH_ACCEPTED, number=number)
            with transaction.atomic():
                trail.append(WORKER, Action.BATCH_ACCEPTED, number=number + 20)
                trail.append(WORKER, Action.BATCH_ACCEPTED, number=number + 40)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(write, range(20)))
    numbers = [event.details["number"] for event in AuditEvent.objects.all()]
    assert sorted(numbers) == list(range(60))
    assert AuditHead.objects.get().length == 60
    assert breaks() == []


def test_only_a_person_has_an_account(actor: Actor, officer: Person) -> None:
    assert actor.person == officer
    with pytest.raises(ValueError, match="Only a person can do this"):
        _ = WORKER.person
