"""The small scripts of every page, in a real headless Chromium."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from importers.audit.actors import Actor
from importers.models import Batch, FaceList, Import
from tests.support.attestations import submit

pytestmark = pytest.mark.django_db(transaction=True)
MakeDraft = Callable[..., Import]


def expect_failed_requests(page: Page) -> None:
    """htmx logs each failed request as an error, which the fixture would count as a complaint."""
    page.evaluate("console.error = () => {}")


def test_account_menu_closes_on_escape_and_on_a_click_elsewhere(page: Page) -> None:
    page.goto("/")
    menu = page.locator("details.menu")
    summary = menu.locator("summary")
    summary.click()
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()
    summary.click()
    page.get_by_role("heading", name="Imports", exact=True).click()
    expect(menu).not_to_have_attribute("open", "")


def test_discard_dialog_opens_on_its_safe_button(
    page: Page, known_list: FaceList, make_draft: MakeDraft
) -> None:
    page.goto(f"/imports/{make_draft(known_list, 1).pk}/")
    page.get_by_role("button", name="Discard draft").click()
    expect(page.get_by_role("button", name="Keep draft")).to_be_focused()


def test_list_change_that_failed_is_undone_and_reported(
    page: Page, known_list: FaceList, make_draft: MakeDraft
) -> None:
    other = FaceList.objects.create(environment="local", persona_id="lst_other", name="Another")
    draft = make_draft(known_list, 1)
    page.goto(f"/imports/{draft.pk}/")
    chosen = page.get_by_label("Face list", exact=True)
    expect_failed_requests(page)
    page.route("**/list/", lambda route: route.abort())
    chosen.select_option(label="Another")
    expect(page.locator("#connection")).to_contain_text("Your change may not have been saved.")
    expect(chosen).to_have_value(str(known_list.pk))
    page.unroute("**/list/")
    chosen.select_option(label="Another")
    expect(page.locator("#to-list")).to_have_text("Another")
    expect(page.locator("#connection")).to_be_empty()
    expect(page.get_by_role("button", name="Change list")).to_be_hidden()
    draft.refresh_from_db()
    assert draft.face_list == other


def test_lost_connection_is_reported_until_a_poll_succeeds(
    page: Page, known_list: FaceList, actor: Actor, make_draft: MakeDraft
) -> None:
    sent = submit(make_draft(known_list, 1), actor)
    page.goto(f"/imports/{sent.pk}/")
    expect_failed_requests(page)
    page.route("**/progress/**", lambda route: route.abort())
    expect(page.get_by_text("Connection lost. Retrying.")).to_be_visible()
    page.unroute("**/progress/**")
    expect(page.locator("#connection")).to_be_empty()


def test_files_chosen_before_the_script_arrives_are_uploaded(
    page: Page, known_list: FaceList, make_draft: MakeDraft
) -> None:
    draft = make_draft(known_list, 0)
    held: list[Route] = []
    page.route("**/js/draft.js", lambda route: held.append(route))
    with page.expect_request("**/js/draft.js"):
        page.goto(f"/imports/{draft.pk}/", wait_until="commit")
    page.locator("#files").set_input_files(
        {"name": "note.txt", "mimeType": "text/plain", "buffer": b"No picture. " * 200}
    )
    held[0].continue_()
    expect(page.locator(".upload-summary")).to_have_text("1 of 1 file, 0 accepted, 1 rejected")
    expect(page.locator(".rejected")).to_contain_text("note.txt")


def test_focus_survives_a_poll_that_changes_the_page(page: Page, sent: Import) -> None:
    first, second, _ = sent.batches.order_by("number")
    Batch.objects.filter(pk=first.pk).update(state=Batch.State.FAILED, problem="refused")
    page.goto(f"/imports/{sent.pk}/")
    retry = page.get_by_role("button", name="Retry batch 1")
    retry.focus()
    Batch.objects.filter(pk=second.pk).update(persona_status="under-review")
    expect(page.get_by_text("under-review")).to_be_visible()
    expect(retry).to_be_focused()
