"""Polling: how Persona's answer about an importer changes its batch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from importers.forwarding.polling import observe, poll
from importers.gateway import environments
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, Image, Import
from importers.persona.responses import Status
from tests.support.batches import import_state, persona_importer, polls
from tests.support.forwarding import forward, time_passes

Make = Callable[..., Import]
State = Batch.State
INDEX, SINGLE = "GET /importers", "GET /importers/*"


def counts(batch: Batch) -> tuple[int | None, int | None, int | None]:
    return batch.successful_count, batch.duplicate_count, batch.error_count


class TestObservation:
    def test_ready_importer_ends_the_batch(self, persona: LocalPersona, at_persona: Make) -> None:
        batch = at_persona().batches.get()
        assert poll()
        batch.refresh_from_db()
        assert (batch.state, batch.persona_status) == (State.DONE, "ready")
        assert counts(batch) == (3, 0, 0)
        assert batch.finished_at

    def test_duplicates_are_counted_as_duplicates(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        # Persona's list has them from another source than our imports.
        at_persona(images=2)
        Image.objects.update(batch=None)
        again = at_persona(images=3)
        poll()
        assert counts(again.batches.get()) == (1, 2, 0)

    def test_counts_that_do_not_add_up_are_stored(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("odd_counts")
        batch = at_persona().batches.get()
        poll()
        batch.refresh_from_db()
        assert (batch.state, batch.image_count) == (State.DONE, 3)
        assert counts(batch) == (10, 0, 0)

    def test_errored_importer_needs_a_person(self, persona: LocalPersona, at_persona: Make) -> None:
        persona.faults.inject("errored")
        sent = at_persona()
        poll()
        batch = sent.batches.get()
        assert (batch.state, batch.persona_status) == (State.ERRORED, "errored")
        assert counts(batch) == (0, 0, 0)
        assert import_state(sent) == Import.State.NEEDS_ATTENTION

    def test_undocumented_status_is_polled_again(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("unknown_status")
        sent = at_persona()
        poll()
        batch = sent.batches.get()
        assert (batch.state, batch.persona_status) == (State.IMPORTING, "under-review")
        time_passes()
        poll()
        batch.refresh_from_db()
        assert (batch.state, batch.persona_status) == (State.DONE, "ready")

    def test_pending_importer_is_polled_again(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("stuck", times=None)
        sent = at_persona()
        for _ in range(3):
            time_passes()
            assert poll()
        batch = sent.batches.get()
        assert (batch.state, batch.persona_status) == (State.IMPORTING, "pending")
        assert import_state(sent) == Import.State.FORWARDING
        assert polls(persona) == ["/importers"] * 3

    def test_counts_while_pending_are_stored(self, persona: LocalPersona, at_persona: Make) -> None:
        batch = at_persona().batches.get()
        observe(batch, persona_importer(id=batch.importer_id, successful_count=2, error_count=1))
        batch.refresh_from_db()
        assert (batch.state, counts(batch)) == (State.IMPORTING, (2, 0, 1))

    def test_missing_count_is_not_stored_as_zero(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        batch = at_persona().batches.get()
        observe(batch, persona_importer(status=Status.READY, raw_status="ready", error_count=None))
        batch.refresh_from_db()
        assert counts(batch) == (0, 0, None)

    def test_batch_end_is_in_the_audit_trail_once(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        batch = at_persona().batches.get()
        poll()
        observe(batch, persona_importer(status=Status.ERRORED, raw_status="errored"))
        batch.refresh_from_db()
        assert batch.state == State.DONE
        ends = AuditEvent.objects.filter(action__in=["batch.done", "batch.errored"])
        assert [(event.action, event.object_id) for event in ends] == [
            ("batch.done", str(batch.pk))
        ]
        assert ends[0].details == {
            "importer": batch.importer_id,
            "persona_status": "ready",
            "successful_count": 3,
            "duplicate_count": 0,
            "error_count": 0,
        }

    def test_ended_batch_is_not_updated(self, persona: LocalPersona, at_persona: Make) -> None:
        sent = at_persona()
        stale = sent.batches.get()
        poll()
        observe(stale, persona_importer(id=stale.importer_id, successful_count=99))
        stale.refresh_from_db()
        assert (stale.state, counts(stale)) == (State.DONE, (3, 0, 0))

    def test_missing_importer_is_polled_again(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("gone", times=None)
        sent = at_persona()
        poll()
        batch = sent.batches.get()
        assert (batch.state, batch.problem) == (State.IMPORTING, "importer_gone")
        assert batch.problem_detail == ("Persona no longer finds this importer: Record not found")
        wait = batch.next_attempt_at - datetime.now(UTC)
        assert timedelta(seconds=59) < wait <= timedelta(seconds=60)
        assert import_state(sent) == Import.State.FORWARDING
        persona.faults.clear()
        time_passes()
        poll()
        batch.refresh_from_db()
        assert (batch.state, batch.problem, batch.problem_detail) == (State.DONE, "", "")
        assert polls(persona) == ["/importers", f"/importers/{batch.importer_id}", "/importers"]


class TestFailedPoll:
    @pytest.mark.parametrize("where", [INDEX, SINGLE])
    @pytest.mark.parametrize(
        "fault",
        [
            *("unauthorized", "forbidden", "rate_limited", "rate_limited_bare", "conflict"),
            *("unavailable", "bad_gateway", "server_error", "bad_request", "drop_unmade"),
            *("broken_json", "no_id"),
        ],
    )
    def test_failed_poll_is_repeated(
        self, persona: LocalPersona, at_persona: Make, fault: str, where: str
    ) -> None:
        sent = at_persona()
        if where == SINGLE:
            persona.faults.inject("gone", where=INDEX)
        persona.faults.inject(fault, where=where)
        before = stored_values(sent)
        assert poll()
        assert stored_values(sent) == before
        assert not Batch.objects.of_environment("local").to_poll().exists()
        time_passes()
        forward()
        assert stored_values(sent)["state"] == State.DONE
        assert import_state(sent) == Import.State.COMPLETED
        assert environments.gateway().problem == ""

    def test_failed_single_poll_leaves_others_alone(
        self, persona: LocalPersona, at_persona: Make, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        persona.faults.inject("gone", where=INDEX)
        persona.faults.inject("unavailable", where=SINGLE)
        sent = at_persona(images=3)
        poll()
        states = [batch.state for batch in sent.batches.order_by("number")]
        assert sorted(states) == [State.DONE, State.DONE, State.IMPORTING]
        assert environments.gateway().problem == ""


def stored_values(sent: Import) -> dict[str, object]:
    """Return the row of its only batch, without the time of its next attempt."""
    row = dict(sent.batches.values().get())
    del row["next_attempt_at"]
    return row
