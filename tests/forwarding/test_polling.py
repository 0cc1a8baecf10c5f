"""Polling: what Persona tells of its importers, and what we write of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers import connection
from importers.audit import Actor
from importers.forwarding.poll import observe, poll
from importers.forwarding.send import send_next
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, Environment, FaceList, Import, PersonaLine
from importers.persona.answers import Status
from importers.persona.client import Client, ImageFile
from tests.support.attestations import submit
from tests.support.batches import persona_importer
from tests.support.forwarding import forward, share_is_used, time_passes
from tests.support.pictures import draw

Make = Callable[..., Import]
State = Batch.State
INDEX, SINGLE = "GET /importers", "GET /importers/*"


@pytest.fixture
def at_persona(make_draft: Make, actor: Actor, known_list: FaceList) -> Make:
    """An import whose every batch Persona has taken."""

    def make(images: int = 3, *, first_seed: int = 0) -> Import:
        sent = submit(make_draft(known_list, images, first_seed=first_seed), actor)
        while send_next("the test's worker"):
            pass
        time_passes()
        return sent

    return make


def counts(batch: Batch) -> tuple[int | None, int | None, int | None]:
    return batch.successful_count, batch.duplicate_count, batch.error_count


def asked(persona: LocalPersona) -> list[str]:
    """The paths of the requests that asked for importers."""
    paths = [seen.path for seen in persona.requests() if seen.method == "GET"]
    return [path.removeprefix("/api/v1") for path in paths]


def state_of(of_import: Import) -> str:
    return Import.objects.get(pk=of_import.pk).state


class TestWhatPersonaTells:
    def test_of_a_ready_importer_ends_the_batch(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        batch = at_persona().batches.get()
        assert poll()
        batch.refresh_from_db()
        assert (batch.state, batch.persona_status) == (State.DONE, "ready")
        assert counts(batch) == (3, 0, 0)
        assert batch.finished_at

    def test_of_duplicates_is_shown_as_duplicates(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        at_persona(images=2)
        again = at_persona(images=3)
        poll()
        assert counts(again.batches.get()) == (1, 2, 0)

    def test_is_written_as_told_though_it_does_not_add_up(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("odd_counts")
        batch = at_persona().batches.get()
        poll()
        batch.refresh_from_db()
        assert (batch.state, batch.image_count) == (State.DONE, 3)
        assert counts(batch) == (10, 0, 0)

    def test_of_an_errored_importer_needs_a_person(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("errored")
        sent = at_persona()
        poll()
        batch = sent.batches.get()
        assert (batch.state, batch.persona_status) == (State.ERRORED, "errored")
        assert counts(batch) == (0, 0, 0)
        assert state_of(sent) == Import.State.NEEDS_ATTENTION

    def test_of_a_status_in_no_paper_is_shown_raw_and_asked_again(
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

    def test_of_an_importer_that_stays_pending_is_asked_again_and_again(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("stuck", times=None)
        sent = at_persona()
        for _ in range(3):
            time_passes()
            assert poll()
        batch = sent.batches.get()
        assert (batch.state, batch.persona_status) == (State.IMPORTING, "pending")
        assert state_of(sent) == Import.State.FORWARDING
        assert asked(persona) == ["/importers"] * 3

    def test_while_pending_is_shown_too(self, persona: LocalPersona, at_persona: Make) -> None:
        batch = at_persona().batches.get()
        observe(batch, persona_importer(id=batch.importer_id, successful_count=2, error_count=1))
        batch.refresh_from_db()
        assert (batch.state, counts(batch)) == (State.IMPORTING, (2, 0, 1))

    def test_not_is_not_shown_as_nought(self, persona: LocalPersona, at_persona: Make) -> None:
        batch = at_persona().batches.get()
        observe(batch, persona_importer(status=Status.READY, raw_status="ready", error_count=None))
        batch.refresh_from_db()
        assert counts(batch) == (0, 0, None)

    def test_of_an_end_is_in_the_audit_trail_once(
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

    def test_changes_no_batch_that_has_left_persona_s_hands(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        sent = at_persona()
        stale = sent.batches.get()
        poll()
        observe(stale, persona_importer(id=stale.importer_id, successful_count=99))
        stale.refresh_from_db()
        assert (stale.state, counts(stale)) == (State.DONE, (3, 0, 0))


class TestAnImporterThatIsGone:
    def test_is_shown_asked_for_again_and_never_lost(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("gone", times=None)
        sent = at_persona()
        poll()
        batch = sent.batches.get()
        assert (batch.state, batch.problem) == (State.IMPORTING, "importer_gone")
        assert batch.problem_detail == (
            "Persona does not know this importer any more: Record not found"
        )
        wait = batch.next_attempt_at - datetime.now(UTC)
        assert timedelta(seconds=59) < wait <= timedelta(seconds=60)
        assert state_of(sent) == Import.State.FORWARDING
        persona.faults.clear()
        time_passes()
        poll()
        batch.refresh_from_db()
        assert (batch.state, batch.problem, batch.problem_detail) == (State.DONE, "", "")
        assert asked(persona) == ["/importers", f"/importers/{batch.importer_id}", "/importers"]


class TestTheRequests:
    def test_are_one_for_many_importers(
        self, persona: LocalPersona, at_persona: Make, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        imports = [at_persona(images=4, first_seed=seed) for seed in (0, 10)]
        poll()
        assert asked(persona) == ["/importers"]
        assert not Batch.objects.exclude(state=State.DONE).exists()
        assert {state_of(row) for row in imports} == {Import.State.COMPLETED}

    def test_are_single_only_for_those_that_have_left_the_first_page(
        self, persona: LocalPersona, at_persona: Make, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        old = at_persona(images=2).batches.order_by("number")
        strangers_import(persona, 100)
        at_persona(images=1, first_seed=10)
        poll()
        assert asked(persona) == ["/importers", *(f"/importers/{row.importer_id}" for row in old)]
        assert not Batch.objects.exclude(state=State.DONE).exists()

    def test_walk_on_where_that_costs_less_than_asking_one_by_one(
        self, persona: LocalPersona, at_persona: Make, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        old = at_persona(images=4).batches.order_by("number")
        strangers_import(persona, 98)
        at_persona(images=2, first_seed=10)
        poll()
        assert asked(persona) == ["/importers", "/importers"]
        assert not Batch.objects.exclude(state=State.DONE).exists()
        assert old.count() == 4

    def test_are_two_seconds_apart_whoever_asks(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        persona.faults.inject("stuck", times=None)
        at_persona()
        assert poll()
        Batch.objects.update(next_attempt_at=Now())
        assert not poll()
        assert seconds_to_next_poll() == pytest.approx(2, abs=0.5)
        PersonaLine.objects.update(next_poll_at=Now())
        assert poll()
        assert asked(persona) == ["/importers"] * 2

    @pytest.mark.parametrize(("share", "seconds"), [(0.5, 20), (1.0, 10)])
    def test_take_a_fiftieth_of_our_share_while_batches_wait_to_be_sent(
        self,
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

    def test_are_none_where_nothing_is_due(self, persona: LocalPersona, at_persona: Make) -> None:
        at_persona()
        Batch.objects.update(next_attempt_at=Now() + timedelta(seconds=1))
        assert not poll()
        assert asked(persona) == []

    def test_are_none_for_another_environment(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        at_persona()
        FaceList.objects.update(environment=Environment.PRODUCTION)
        assert not poll()
        assert asked(persona) == []

    def test_tell_also_of_those_that_were_not_due_yet(
        self, persona: LocalPersona, at_persona: Make
    ) -> None:
        at_persona()
        later = at_persona(first_seed=10).batches.get()
        Batch.objects.filter(pk=later.pk).update(next_attempt_at=Now() + timedelta(seconds=60))
        poll()
        later.refresh_from_db()
        assert later.state == State.DONE

    def test_wait_for_our_share(self, persona: LocalPersona, at_persona: Make) -> None:
        batch = at_persona().batches.get()
        PersonaLine.objects.update(paused_until=Now() + timedelta(seconds=30))
        assert not poll()
        assert asked(persona) == []
        assert Batch.objects.filter(pk=batch.pk).to_poll().exists()

    def test_for_single_ones_wait_for_our_share_too(
        self, persona: LocalPersona, at_persona: Make, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        persona.faults.inject("gone", times=None, where=INDEX)
        at_persona(images=3)
        share_is_used(148)
        poll()
        assert len(asked(persona)) == 2
        assert Batch.objects.filter(state=State.IMPORTING).to_poll().count() == 2

    @pytest.mark.parametrize(
        ("age_seconds", "pause_seconds"), [(0, 2), (15, 2), (100, 10), (590, 59), (3600, 60)]
    )
    def test_are_further_apart_the_older_the_importer_is(
        self, persona: LocalPersona, at_persona: Make, age_seconds: int, pause_seconds: int
    ) -> None:
        persona.faults.inject("stuck", times=None)
        batch = at_persona().batches.get()
        age = timedelta(seconds=age_seconds)
        Batch.objects.update(accepted_at=F("accepted_at") - age)
        poll()
        batch.refresh_from_db()
        wait = (batch.next_attempt_at - datetime.now(UTC)).total_seconds()
        assert pause_seconds - 0.5 < wait < pause_seconds + 0.5


def seconds_to_next_poll() -> float:
    until = PersonaLine.objects.get().next_poll_at
    return (until - datetime.now(UTC)).total_seconds() if until else 0


def strangers_import(persona: LocalPersona, times: int) -> None:
    """Others use the same environment of Persona."""
    client = Client(persona.url, persona.key, version="2025-12-08", timeout_seconds=10)
    list_id = persona.add_list("Theirs")
    file = ImageFile("theirs.png", "image/png", draw(1000, size=(200, 200), kind="PNG"))
    for n in range(times):
        client.import_faces(list_id, [file], f"strangers-{n}")


class TestTroubleWhilePolling:
    @pytest.mark.parametrize("where", [INDEX, SINGLE])
    @pytest.mark.parametrize(
        "fault",
        [
            *("unauthorized", "forbidden", "rate_limited", "rate_limited_bare", "conflict"),
            *("unavailable", "bad_gateway", "server_error", "bad_request", "drop_unmade"),
            *("broken_json", "no_id"),
        ],
    )
    def test_changes_nothing_and_is_asked_again(
        self, persona: LocalPersona, at_persona: Make, fault: str, where: str
    ) -> None:
        sent = at_persona()
        if where == SINGLE:
            persona.faults.inject("gone", where=INDEX)
        persona.faults.inject(fault, where=where)
        before = facts(sent)
        assert poll()
        assert facts(sent) == before
        assert not Batch.objects.of_environment("local").to_poll().exists()
        time_passes()
        forward()
        assert facts(sent)["state"] == State.DONE
        assert state_of(sent) == Import.State.COMPLETED
        assert connection.line().problem == ""

    @pytest.mark.parametrize(("fault", "method"), [("forbidden", "GET"), ("unauthorized", "")])
    def test_that_is_forbidden_is_known_to_be_at_polling_alone(
        self, persona: LocalPersona, at_persona: Make, fault: str, method: str
    ) -> None:
        at_persona()
        persona.faults.inject(fault, where=INDEX)
        poll()
        line = connection.line()
        assert (line.problem, line.problem_at) == ("key_refused", method)

    def test_with_one_importer_leaves_the_others_alone(
        self, persona: LocalPersona, at_persona: Make, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        persona.faults.inject("gone", where=INDEX)
        persona.faults.inject("unavailable", where=SINGLE)
        sent = at_persona(images=3)
        poll()
        states = [batch.state for batch in sent.batches.order_by("number")]
        assert sorted(states) == [State.DONE, State.DONE, State.IMPORTING]


def facts(sent: Import) -> dict[str, object]:
    """All that is known of its one batch, but for when it is due."""
    row = dict(sent.batches.values().get())
    del row["next_attempt_at"]
    return row


class TestTheImport:
    def test_is_completed_when_its_last_batch_is_done(
        self,
        persona: LocalPersona,
        make_draft: Make,
        known_list: FaceList,
        actor: Actor,
        settings: Settings,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        sent = submit(make_draft(known_list, images=2), actor)
        for state in (Import.State.FORWARDING, Import.State.COMPLETED):
            send_next("the test's worker")
            time_passes()
            poll()
            assert state_of(sent) == state
        assert AuditEvent.objects.filter(action="import.completed").count() == 1

    @pytest.mark.parametrize("fault", ["unprocessable", "errored"])
    @pytest.mark.parametrize("first", [True, False])
    def test_needs_attention_when_one_of_its_batches_failed_whichever_ended_last(
        self,
        persona: LocalPersona,
        make_draft: Make,
        known_list: FaceList,
        actor: Actor,
        settings: Settings,
        fault: str,
        first: bool,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        sent = submit(make_draft(known_list, images=2), actor)
        for number in (1, 2):
            if first == (number == 1):
                persona.faults.inject(fault)
            send_next("the test's worker")
            time_passes()
            poll()
            persona.faults.clear()
        assert state_of(sent) == Import.State.NEEDS_ATTENTION
        assert sent.batches.filter(state=State.DONE).count() == 1
        assert AuditEvent.objects.filter(action="import.needs_attention").count() == 1
