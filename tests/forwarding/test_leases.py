"""Leases: who renews them, and what a worker may do once its lease has ended."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import OperationalError
from django.db.models import F
from django.db.models.functions import Now

from importers.forwarding import recording, sealed_files
from importers.forwarding.claims import Leases, claim, lease_time
from importers.forwarding.sending import send_next
from importers.local_persona import IMPORT, LocalPersona
from importers.models import Batch, FaceList, Import
from importers.persona.client import ImageFile
from importers.worker import process
from tests.support.batches import Meanwhile, lease_runs_out, sends, the_only, worker_actions
from tests.support.forwarding import forward
from tests.support.threads import in_a_thread

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State


def database_outage(*args: object, **kwargs: object) -> None:
    raise OperationalError


def claimed(owner: str) -> Batch:
    batch = claim(owner)
    assert batch
    return batch


class TestRenewal:
    def test_worker_renews_the_lease_of_its_batch(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        leases = Leases("mine")
        with leases.holding(claimed("mine")):
            Batch.objects.update(lease_until=Now() + timedelta(seconds=5))
            leases.renew()
        batch = Batch.objects.get()
        assert batch.lease_until
        second = timedelta(seconds=1)
        assert abs(batch.lease_until - datetime.now(UTC) - lease_time()) < second
        assert claim("another") is None

    def test_dropped_batch_is_not_renewed(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The outage comes while Persona has the request."""
        sent = make_import(known_list)
        with monkeypatch.context() as outage:
            outage.setattr(recording, "importer_found", database_outage)
            leases = Leases("mine")
            with pytest.raises(OperationalError):
                send_next(leases)
        assert the_only(sent).state == State.SENDING
        assert len(persona.ledger()) == 1
        lease_runs_out()
        leases.renew()
        assert send_next(Leases("another"))
        assert the_only(sent).state == State.IMPORTING
        assert len(persona.ledger()) == 1

    def test_worker_renews_no_lease_of_another(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        leases = Leases("mine")
        with leases.holding(claimed("another")):
            lease_runs_out()
            before = Batch.objects.values().get()
            leases.renew()
        assert Batch.objects.values().get() == before

    def test_worker_of_the_same_name_has_its_own_leases(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        """A virtual machine may be cloned while a worker runs."""
        make_import(face_list)
        with Leases("mine").holding(claimed("mine")):
            assert claim("mine") is None
            lease_runs_out()
            Leases("mine").renew()
            assert claim("mine"), "the clone does not keep the lease alive"

    @pytest.mark.parametrize("state", [state for state in State if state != State.SENDING])
    def test_only_a_batch_being_sent_gets_a_lease(
        self, make_import: Make, face_list: FaceList, state: Batch.State
    ) -> None:
        make_import(face_list)
        leases = Leases("mine")
        with leases.holding(claimed("mine")):
            Batch.objects.update(state=state, lease_until=None, importer_id="mprt_1")
            leases.renew()
        assert Batch.objects.get().lease_until is None

    def test_each_worker_has_its_own_name(self) -> None:
        assert process.own_name() != process.own_name()


def test_ended_lease_prevents_the_send(
    persona: LocalPersona, make_import: Make, known_list: FaceList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host freezes between the claim and the request."""
    sent = make_import(known_list)
    read = sealed_files.read

    def read_and_freeze(batch: Batch) -> list[ImageFile]:
        files = read(batch)
        lease_runs_out()
        return files

    with monkeypatch.context() as frozen:
        frozen.setattr(sealed_files, "read", read_and_freeze)
        send_next(Leases("mine"))
    assert sends(persona) == []
    batch = the_only(sent)
    assert (batch.state, batch.may_have_arrived) == (State.QUEUED, False)
    send_next(Leases("another"))
    assert len(persona.ledger()) == len(sends(persona)) == 1


@pytest.mark.django_db(transaction=True)
class TestAnswerAfterTheLease:
    @pytest.mark.parametrize(
        "fault", ["unprocessable", "not_found", "bad_gateway_made", "drop_made"]
    )
    def test_failure_after_a_lost_lease_is_ignored(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        interrupted_list: FaceList,
        fault: str,
    ) -> None:
        sent = make_import(interrupted_list)
        interrupted.faults.inject(fault, seconds=1)

        def another_worker_claims_it() -> None:
            lease_runs_out()
            assert claim("another")

        meanwhile.does = another_worker_claims_it
        send_next(Leases("a late worker"))
        batch = the_only(sent)
        assert (batch.state, batch.lease_owner, batch.fence) == (State.SENDING, "another", 2)
        assert (batch.importer_id, batch.problem) == ("", "")
        assert worker_actions() == ["batch.sending"]
        interrupted_list.refresh_from_db()
        assert (interrupted_list.problem, interrupted_list.held_until) == ("", None)

    def test_importer_after_a_lost_lease_is_adopted(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        interrupted_list: FaceList,
    ) -> None:
        sent = make_import(interrupted_list)
        interrupted.faults.inject("slow", seconds=1)
        second_claims: list[Batch | None] = []

        def another_worker_claims_it() -> None:
            lease_runs_out()
            second_claims.append(claim("another"))

        meanwhile.does = another_worker_claims_it
        send_next(Leases("a late worker"))
        batch = the_only(sent)
        assert (batch.state, batch.lease_owner) == (State.IMPORTING, "")
        assert batch.importer_id == interrupted.ledger()[0].importer_id
        assert worker_actions() == ["batch.sending", "batch.accepted"]
        (other,) = second_claims
        assert other
        assert not batch.sends.get().worker_died, "it was only slow"
        assert not other.finish_sending(State.UNKNOWN)
        assert the_only(sent).state == State.IMPORTING

    def test_late_importer_shows_that_the_batch_arrived(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        interrupted_list: FaceList,
    ) -> None:
        """Another worker's send under the same key was refused, so it seemed not to have."""
        sent = make_import(interrupted_list)
        interrupted.faults.inject("slow", seconds=1)

        def another_worker_is_refused() -> None:
            sent.batches.update(state=State.QUEUED, fence=F("fence") + 1, may_have_arrived=False)

        meanwhile.does = another_worker_is_refused
        send_next(Leases("a late worker"))
        assert (the_only(sent).state, the_only(sent).may_have_arrived) == (State.IMPORTING, True)

    @pytest.mark.parametrize(
        "moved_on",
        [
            {"state": State.QUEUED, "idempotency_key": UUID(int=7)},
            {"state": State.IMPORTING, "importer_id": "mprt_another"},
        ],
        ids=["it has another key", "it has an importer"],
    )
    def test_late_importer_is_ignored_once_the_batch_has_moved_on(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        interrupted_list: FaceList,
        moved_on: dict[str, object],
    ) -> None:
        sent = make_import(interrupted_list)
        interrupted.faults.inject("slow", seconds=1)

        def the_batch_moves_on() -> None:
            sent.batches.update(fence=F("fence") + 1, **moved_on)

        meanwhile.does = the_batch_moves_on
        send_next(Leases("a late worker"))
        batch = the_only(sent)
        assert {name: getattr(batch, name) for name in moved_on} == moved_on
        assert worker_actions() == ["batch.sending"]

    def test_next_worker_gets_the_late_importer(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        interrupted_list: FaceList,
    ) -> None:
        sent = make_import(interrupted_list)
        interrupted.faults.inject("slow", seconds=1)
        meanwhile.does = lease_runs_out
        send_next(Leases("a late worker"))
        meanwhile.does = lambda: None
        forward()
        assert the_only(sent).state == State.DONE
        assert len(interrupted.ledger()) == 1

    def test_worker_renews_its_lease_until_the_answer(
        self,
        interrupted: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        interrupted_list: FaceList,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It does so even after a request to stop."""
        sent = make_import(interrupted_list)
        renew = Leases.renew
        stop, beat, received, release = (threading.Event() for _ in range(4))

        def renew_and_signal(leases: Leases) -> None:
            renew(leases)
            beat.set()

        def hold_the_answer() -> None:
            received.set()
            assert release.wait(20)

        def is_renewed() -> bool:
            sending = sent.batches.filter(state=State.SENDING)
            sending.update(lease_until=Now() + lease_time() / 3)  # too early for another claim
            for _ in range(2):  # the first may have started before the update
                beat.clear()
                assert beat.wait(20)
            return sending.filter(lease_until__gt=Now() + lease_time() / 2).exists()

        monkeypatch.setattr(process, "BEAT_SECONDS", 0.05)
        monkeypatch.setattr(Leases, "renew", renew_and_signal)
        interrupted.faults.inject("slow", where=IMPORT, seconds=1)
        meanwhile.does = hold_the_answer
        running = threading.Thread(target=lambda: in_a_thread(lambda: process.run(stop, 1)))
        running.start()
        try:
            assert received.wait(20)
            assert is_renewed()
            stop.set()
            assert is_renewed()
        finally:
            stop.set()
            release.set()
            running.join(30)
        batch = the_only(sent)
        assert (batch.state, batch.lease_until, batch.fence) == (State.IMPORTING, None, 1)
        assert len(interrupted.ledger()) == 1
