"""Acts on a troubled import: seen before they are done, and recorded."""

import pytest
from django.test import Client
from django.urls import reverse

from importers.local_persona import IMPORT, LocalPersona
from importers.models import Batch, Gateway, Import
from tests.support.forwarding import forward
from tests.support.pages import page_of, states, words, words_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def errored(three_batches: Import, persona: LocalPersona) -> Import:
    persona.faults.inject("errored", times=1, where=IMPORT)
    forward()
    return three_batches


def test_cancel_says_first_what_it_cancels(signed_in: Client, three_batches: Import) -> None:
    path = reverse("import_cancel", args=[three_batches.pk])
    text = words_of(signed_in.get(path))
    assert "3 batches with 3 images will not be sent. This cannot be undone." in text
    assert three_batches.batches.filter(state="queued").count() == 3
    assert "3 unsent batches canceled." in words_of(signed_in.post(path, follow=True))


def test_cancel_of_nothing_says_so(signed_in: Client, three_batches: Import) -> None:
    Batch.objects.update(state="canceled")
    text = words_of(signed_in.get(reverse("import_cancel", args=[three_batches.pk])))
    assert "there is nothing to cancel" in text


def test_pause_says_first_whom_it_stops(signed_in: Client, three_batches: Import) -> None:
    path = reverse("forwarding_pause")
    assert "Now waiting: 3 images of 1 import." in words_of(signed_in.get(path))
    assert not Gateway.objects.exclude(paused_at=None).exists()
    signed_in.post(path)
    assert Gateway.objects.exclude(paused_at=None).exists()


def test_failed_batch_is_acknowledged_with_a_note(signed_in: Client, errored: Import) -> None:
    html = page_of(signed_in, errored)
    assert "Persona could not import this batch" in words(html)
    path = reverse("batch_acknowledge", args=[errored.pk, 1])
    assert "Batch 1 was not acknowledged. Enter a note." in words_of(
        signed_in.post(path, {"note": " "}, follow=True)
    )
    answer = signed_in.post(path, {"note": "Photos of screens."}, follow=True)
    assert "Batch 1 acknowledged." in words_of(answer)
    assert "Acknowledged by officer" in words_of(answer)
    assert "Photos of screens." in words_of(answer)
    assert states(answer.content.decode())[0] == "completed"
    assert "was already acknowledged" in words_of(
        signed_in.post(path, {"note": "Again."}, follow=True)
    )


def test_lost_images_are_copied_to_a_new_draft(signed_in: Client, errored: Import) -> None:
    assert "Copy 1 image to a new draft" in words(page_of(signed_in, errored))
    answer = signed_in.post(reverse("import_copy", args=[errored.pk]), follow=True)
    draft = Import.objects.latest("pk")
    assert answer.redirect_chain == [(f"/imports/{draft.pk}/", 302)]
    assert f"Copied from import {errored.pk}." in words_of(answer)
    assert draft.image_count == 1


def test_import_without_lost_images_cannot_be_copied(
    signed_in: Client, three_batches: Import
) -> None:
    answer = signed_in.post(reverse("import_copy", args=[three_batches.pk]), follow=True)
    assert "may be on the list" in words_of(answer)
    assert Import.objects.count() == 1


def test_import_that_still_sends_shows_that_a_batch_waits_for_a_person(
    signed_in: Client, three_batches: Import
) -> None:
    three_batches.batches.filter(number=1).update(state="errored", importer_id="mprt_1")
    label = "Sending, action required"
    assert label in words(page_of(signed_in, three_batches))
    assert label in words_of(signed_in.get("/"))
