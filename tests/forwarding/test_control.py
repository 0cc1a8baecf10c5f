"""A person pauses and resumes forwarding, and cancels what is not sent yet."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.audit import Actor
from importers.forwarding import control
from importers.forwarding.send import send_next
from importers.local_persona import IMPORT, LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Import
from tests.support.attestations import submit
from tests.support.forwarding import forward

pytestmark = pytest.mark.django_db
Make = Callable[..., Import]


@pytest.fixture
def sent(make_draft: Make, known_list: FaceList, actor: Actor, settings: Settings) -> Import:
    """Four images in two batches, neither of them sent yet."""
    settings.BATCH_MAX_IMAGES = 2
    return submit(make_draft(known_list, 4), actor)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("-pk").values_list("action", flat=True))


class TestPausing:
    def test_nothing_more_is_sent_but_what_is_at_persona_is_followed(
        self, sent: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        assert send_next("a worker")
        control.pause(actor)
        forward()
        assert len(persona.ledger()) == 1
        assert sorted(sent.batches.values_list("state", flat=True)) == ["done", "queued"]

        control.resume(actor)
        forward()
        assert len(persona.ledger()) == 2
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_who_paused_it_and_when_stands_on_every_page_until_it_is_resumed(
        self, signed_in: Client, sent: Import
    ) -> None:
        signed_in.post(reverse("forwarding_pause"))
        for address in ("/", "/lists/", f"/imports/{sent.pk}/"):
            html = signed_in.get(address).content.decode()
            assert re.search(r"officer paused it at \d\d:\d\d UTC", html)
        signed_in.post(reverse("forwarding_resume"))
        assert "paused" not in signed_in.get(f"/imports/{sent.pk}/").content.decode()

    def test_each_act_is_written_once(self, db: None, actor: Actor) -> None:
        for act in (control.resume, control.pause, control.pause, control.resume, control.resume):
            act(actor)
        assert actions() == ["forwarding.resumed", "forwarding.paused"]


class TestCanceling:
    def test_what_was_sent_is_said_to_be_sent_and_the_rest_never_is(
        self, signed_in: Client, sent: Import, persona: LocalPersona
    ) -> None:
        assert send_next("a worker")
        page = signed_in.post(reverse("import_cancel", args=[sent.pk]), follow=True)
        assert (
            "1 of 2 batches canceled. What went out before (1) stays with Persona."
            in page.content.decode()
        )
        forward()
        assert len(persona.ledger()) == 1
        assert sorted(sent.batches.values_list("state", flat=True)) == ["canceled", "done"]
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_an_import_of_which_nothing_was_sent_is_canceled_as_a_whole(
        self, sent: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        assert control.cancel_unsent(sent, actor) == 2
        forward()
        assert persona.ledger() == []
        sent.refresh_from_db()
        assert sent.state == Import.State.CANCELED
        assert "import.canceled" in actions()

    def test_a_batch_that_may_have_arrived_is_not_canceled(
        self, sent: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        persona.faults.inject("drop_made", 1, IMPORT)
        send_next("a worker")
        assert control.cancel_unsent(sent, actor) == 1
        assert sent.batches.get(number=1).state == Batch.State.UNKNOWN

    def test_refused_batches_are_given_up_and_the_import_ends(
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

    def test_where_all_was_sent_it_says_so_and_writes_nothing(
        self, signed_in: Client, officer: User, sent: Import, persona: LocalPersona
    ) -> None:
        forward()
        before = actions()
        page = signed_in.post(reverse("import_cancel", args=[sent.pk]), follow=True)
        assert "every batch was sent already" in page.content.decode()
        assert actions() == before
