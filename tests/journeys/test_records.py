"""The record of an import as it is printed, and the page of an import, in a headless Chromium."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from importers.audit.actors import Actor
from importers.models import Batch, FaceList, Import
from tests.support.attestations import in_force, submit
from tests.support.image_rows import add_rows

pytestmark = pytest.mark.django_db(transaction=True)
A4_WIDTH, A4_HEIGHT = 718, 1010  # without its margins, in CSS pixels
MakeDraft = Callable[..., Import]
CUT_OFF = """elements => elements
  .filter(one => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
  .map(one => one.className || one.tagName)"""


def test_printed_record_is_whole_and_has_nothing_of_the_screen(
    page: Page, known_list: FaceList, actor: Actor, make_draft: MakeDraft
) -> None:
    draft = make_draft(known_list, 0)
    add_rows(draft, 300)
    sent = submit(draft, actor)
    page.goto(f"/imports/{sent.pk}/record/?all=yes")
    page.set_viewport_size({"width": A4_WIDTH, "height": A4_HEIGHT})
    page.emulate_media(media="print", color_scheme="dark")
    last_sentence = in_force(sent).statement_text.splitlines()[-1]
    expect(page.get_by_text(last_sentence)).to_be_visible()
    for face in (sent.files.first(), sent.files.last()):
        assert face
        expect(page.get_by_text(face.sha256, exact=True)).to_be_visible()
    expect(page.locator("tbody .hash")).to_have_count(300)
    for hidden in (".topbar", ".strip", ".downloads", ".skip"):
        expect(page.locator(hidden)).to_be_hidden()
    boxes = page.locator(".statement, .panel, .images td, .images .hash, .facts dd")
    assert boxes.evaluate_all(CUT_OFF) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 35, 48)"
    footer = page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--record')"
    )
    assert footer == f'"Import {sent.pk} · seal {in_force(sent).seal}"'
    pages = page.pdf(format="A4").count(b"/Type /Page\n")
    assert pages > 5


def test_list_of_batches_stays_open_and_focused_when_a_poll_replaces_it(
    page: Page, known_list: FaceList, actor: Actor, make_draft: MakeDraft
) -> None:
    sent = submit(make_draft(known_list, 1), actor)
    Batch.objects.bulk_create(
        Batch(face_import=sent, number=number, image_count=1) for number in range(2, 9)
    )
    page.goto(f"/imports/{sent.pk}/")
    summary = page.get_by_text("All 8 batches")
    summary.click()
    Batch.objects.filter(face_import=sent, number=2).update(persona_status="under-review")
    expect(page.get_by_text("under-review")).to_be_visible()
    expect(page.locator("#other-batches")).to_have_attribute("open", "")
    expect(summary).to_be_focused()
    summary.click()
    Batch.objects.filter(face_import=sent, number=3).update(persona_status="waiting")
    expect(page.get_by_text("waiting", exact=True)).to_have_count(1)
    expect(page.locator("#other-batches")).not_to_have_attribute("open", "")


def test_state_in_the_heading_follows_the_polls(page: Page, sent: Import) -> None:
    page.goto(f"/imports/{sent.pk}/")
    state = page.locator("h1 .state")
    expect(state).to_have_text("Sending")
    Import.objects.filter(pk=sent.pk).update(state=Import.State.COMPLETED, revision=99)
    expect(state).to_have_text("Completed")
