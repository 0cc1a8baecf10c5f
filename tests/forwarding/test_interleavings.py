"""Workers that freeze, wake up late or come across each other, and what they may still do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from importers.audit.actors import Actor
from importers.forwarding import recovery, restore, sealed_files
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.policy import Before
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import Attempt, Batch, FaceList, Gateway, Import
from importers.persona import client as persona_client
from importers.persona import deadline
from importers.persona.client import Client
from tests.support.batches import (
    OWNER,
    Meanwhile,
    die_while_sending,
    keys,
    lease_runs_out,
    sends,
    the_only,
)
from tests.support.forwarding import forward, share_is_used, time_passes
from tests.support.recovery import forward_for_hours, own_importers

Make = Callable[..., Import]
State = Batch.State
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.fixture
def make_one(make_import: Make, known_list: FaceList) -> Make:
    """Makes an import of one batch for the known list."""

    def make(first_seed: int = 0) -> Import:
        return make_import(known_list, first_seed=first_seed)

    return make


def test_batch_that_was_in_flight_in_a_backup_is_sent(
    persona: LocalPersona, make_one: Make
) -> None:
    sent = make_one()
    die_while_sending(sent)
    restore.doubt_unsent(datetime.now(UTC) - timedelta(hours=1))
    time_passes()
    forward()
    assert the_only(sent).state == State.DONE


def test_worker_frozen_before_its_request_sends_nothing_late(
    persona: LocalPersona, make_one: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile the batch did not arrive, and was accepted under a new key."""
    sent = make_one()
    import_faces, now = Client.import_faces, deadline.now

    def freeze_for_a_minute(self: Client, *args: object) -> object:
        monkeypatch.setattr(Client, "import_faces", import_faces)
        persona.faults.inject("drop_unmade", times=2)
        lease_runs_out()
        for _ in range(2):
            Gateway.objects.update(retry_at=None, trial=None)
            time_passes()
            send_next(Leases("another"))
        time_passes()
        assert recovery.recover()
        time_passes()
        assert send_next(Leases("another"))
        monkeypatch.setattr(persona_client, "now", lambda: now() + 61)
        return import_faces(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "import_faces", freeze_for_a_minute)
    send_next(Leases(OWNER))
    assert len(set(keys(persona))) == 2
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


def test_key_that_expired_before_the_send_is_not_used(
    persona: LocalPersona, make_one: Make
) -> None:
    """The machine was suspended with a prepared batch."""
    make_one()
    persona.faults.inject("drop_made")
    leases = Leases(OWNER)
    send_next(leases)
    time_passes()

    @contextmanager
    def suspended() -> Iterator[bool]:
        Attempt.objects.update(began_at=F("began_at") - timedelta(hours=2))
        yield True

    send_next(leases, suspended)
    assert len(sends(persona)) == 1


def test_lease_that_ran_out_is_not_renewed(persona: LocalPersona, make_one: Make) -> None:
    make_one()
    leases = Leases(OWNER)

    @contextmanager
    def suspended() -> Iterator[bool]:
        lease_runs_out()
        leases.renew()
        yield True

    send_next(leases, suspended)
    assert sends(persona) == []


def test_unreadable_image_of_a_batch_in_doubt_stops_no_other(
    persona: LocalPersona, make_one: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_one()
    persona.faults.inject("bad_gateway")
    send_next(Leases(OWNER))
    other = make_one(first_seed=10)
    read = sealed_files.read

    def read_all_but_one(batch: Batch) -> object:
        if batch.face_import_id == one.pk:
            raise sealed_files.Unreadable("It cannot be read now.")
        return read(batch)

    monkeypatch.setattr(sealed_files, "read", read_all_but_one)
    share_is_used(0)
    forward_for_hours(20)
    assert the_only(other).state == State.DONE


def test_retried_batch_starts_without_its_earlier_doubts(
    persona: LocalPersona, make_one: Make, actor: Actor
) -> None:
    sent = make_one()
    persona.faults.inject("bad_gateway")
    send_next(Leases(OWNER))
    sent.batches.update(state=State.FAILED, problem="keeps_failing", **Batch.NEW_KEY, attempts=3)
    assert retry(sent, actor) == 1
    assert Before.of(the_only(sent)).doubts == 0


@pytest.mark.django_db(transaction=True)
def test_late_answer_settles_an_ambiguous_batch(
    interrupted: LocalPersona, meanwhile: Meanwhile, make_import: Make, interrupted_list: FaceList
) -> None:
    sent = make_import(interrupted_list)
    interrupted.faults.inject("slow", seconds=1)

    def it_becomes_ambiguous() -> None:
        sent.batches.update(
            state=State.FAILED, problem="ambiguous", lease_owner="", fence=F("fence") + 1
        )
        Import.objects.update(state=Import.State.NEEDS_ATTENTION)

    meanwhile.does = it_becomes_ambiguous
    send_next(Leases("a late worker"))
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.IMPORTING, "")
    assert batch.importer_id == interrupted.ledger()[0].importer_id
    assert batch.face_import.state == Import.State.FORWARDING
