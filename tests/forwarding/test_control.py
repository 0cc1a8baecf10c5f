"""A person's controls: pause and resume, cancel unsent batches, retry."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding import control
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.forwarding.sending import send_next
from importers.local_persona import IMPORT, LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Import, Person
from tests.support.attestations import submit
from tests.support.batches import OWNER, keys, sends, the_only
from tests.support.forwarding import forward, time_passes

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
Make = Callable[..., Import]
State = Batch.State


@pytest.fixture
def sent(make_draft: Make, known_list: FaceList, actor: Actor, settings: Settings) -> Import:
    """An import of two batches with two images each, none sent yet."""
    settings.BATCH_MAX_IMAGES = 2
    return submit(make_draft(known_list, 4), actor)


def newest_actions() -> list[str]:
    return list(AuditEvent.objects.order_by("-pk").values_list("action", flat=True))


class TestPause:
    def test_pause_stops_sending_but_not_polling(
        self, sent: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        assert send_next(Leases("a worker"))
        control.pause(actor)
        forward()
        assert len(persona.ledger()) == 1
        assert sorted(sent.batches.values_list("state", flat=True)) == ["done", "queued"]

        control.resume(actor)
        forward()
        assert len(persona.ledger()) == 2
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_every_page_shows_who_paused_and_when(self, signed_in: Client, sent: Import) -> None:
        signed_in.post(reverse("forwarding_pause"))
        for address in ("/", "/lists/", f"/imports/{sent.pk}/"):
            html = signed_in.get(address).content.decode()
            assert re.search(r"Paused by officer at \d\d:\d\d UTC", html)
        signed_in.post(reverse("forwarding_resume"))
        assert "paused" not in signed_in.get(f"/imports/{sent.pk}/").content.decode()

    def test_pause_and_resume_are_recorded_once_each(self, db: None, actor: Actor) -> None:
        for action in (
            control.resume,
            control.pause,
            control.pause,
            control.resume,
            control.resume,
        ):
            action(actor)
        assert newest_actions() == ["forwarding.resumed", "forwarding.paused"]


class TestCancel:
    def test_cancel_reports_what_was_already_sent(
        self, signed_in: Client, sent: Import, persona: LocalPersona
    ) -> None:
        assert send_next(Leases("a worker"))
        page = signed_in.post(reverse("import_cancel", args=[sent.pk]), follow=True)
        assert (
            "1 unsent batch canceled. 1 batch may already be at Persona." in page.content.decode()
        )
        forward()
        assert len(persona.ledger()) == 1
        assert sorted(sent.batches.values_list("state", flat=True)) == ["canceled", "done"]
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_cancel_of_unsent_import_cancels_it_all(
        self, sent: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        assert control.cancel_unsent(sent, actor) == 2
        forward()
        assert persona.ledger() == []
        sent.refresh_from_db()
        assert sent.state == Import.State.CANCELED
        assert "import.canceled" in newest_actions()

    def test_cancel_skips_a_batch_in_doubt(
        self, sent: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        persona.faults.inject("drop_made", 1, IMPORT)
        send_next(Leases("a worker"))
        assert control.cancel_unsent(sent, actor) == 1
        assert sent.batches.get(number=1).state == Batch.State.UNKNOWN

    def test_cancel_skips_a_failed_batch_that_may_have_arrived(
        self, sent: Import, actor: Actor
    ) -> None:
        sent.batches.filter(number=1).update(
            state=State.FAILED, problem="image_missing", may_have_arrived=True
        )
        assert control.cancel_unsent(sent, actor) == 1
        assert sent.batches.get(number=1).state == State.FAILED

    def test_cancel_of_refused_batches_ends_the_import(
        self, sent: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unprocessable", 1, IMPORT)
        forward()
        sent.refresh_from_db()
        assert sent.state == Import.State.NEEDS_ATTENTION
        control.cancel_unsent(sent, actor)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED
        assert sorted(sent.batches.values_list("state", flat=True)) == ["canceled", "done"]

    def test_late_cancel_changes_nothing(
        self, signed_in: Client, officer: Person, sent: Import, persona: LocalPersona
    ) -> None:
        forward()
        before = newest_actions()
        page = signed_in.post(reverse("import_cancel", args=[sent.pk]), follow=True)
        assert "every batch was already sent" in page.content.decode()
        assert newest_actions() == before


class TestRetry:
    @pytest.mark.parametrize("problem", ["seal_broken", "key_reused", "importer_taken"])
    def test_retry_in_doubt_starts_recovery(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        actor: Actor,
        problem: str,
    ) -> None:
        persona.faults.inject("drop_made")
        sent = make_import(known_list)
        send_next(Leases(OWNER))
        key = the_only(sent).idempotency_key
        sent.batches.update(state=State.FAILED, problem=problem)
        Import.objects.update(state=Import.State.NEEDS_ATTENTION)
        assert retry(sent, actor) == 1
        batch = the_only(sent)
        assert (batch.state, batch.recover_first) == (State.UNKNOWN, True)
        assert (batch.may_have_arrived, batch.idempotency_key) == (True, key)
        assert AuditEvent.objects.get(action="import.retried").details == {"batches": 1}
        sent.refresh_from_db()
        assert sent.state == Import.State.FORWARDING
        time_passes()
        forward()
        assert the_only(sent).state == State.DONE
        assert len(sends(persona)) == 1

    def test_retry_sends_only_failed_batches(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        actor: Actor,
        settings: Settings,
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        persona.faults.inject("unprocessable")
        sent = make_import(known_list)
        forward()
        assert retry(sent, actor) == 1
        sent.refresh_from_db()
        assert sent.state == Import.State.FORWARDING
        forward()
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED
        assert len(sends(persona)) == 4
        assert len(set(keys(persona))) == 4
        assert len({file.sha256 for entry in persona.ledger() for file in entry.files}) == 3
        batch = sent.batches.get(number=1)
        assert (batch.state, batch.attempts, batch.problem) == (State.DONE, 1, "")

    def test_retry_is_in_the_audit_trail(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        persona.faults.inject("unprocessable")
        sent = make_import(known_list)
        forward()
        retry(sent, actor)
        event = AuditEvent.objects.get(action="import.retried")
        assert (event.actor, event.object_id) == (actor.user, str(sent.pk))
        assert event.details == {"batches": 1}

    def test_retry_of_one_import_leaves_others_alone(
        self, persona: LocalPersona, make_import: Make, known_list: FaceList, actor: Actor
    ) -> None:
        persona.faults.inject("unprocessable", times=2)
        one, other = make_import(known_list), make_import(known_list, first_seed=10)
        forward()
        assert retry(one, actor) == 1
        assert the_only(other).state == State.FAILED
        other.refresh_from_db()
        assert other.state == Import.State.NEEDS_ATTENTION
