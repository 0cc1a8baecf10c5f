"""The answers of a draft are saved as they are typed, in a real headless Chromium."""

import threading
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from importers.models import FaceList, Import
from tests.support.browser import answer
from tests.support.people import sign_in

PATIENCE_SECONDS = 10
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def draft(make_draft: Callable[..., Import], known_list: FaceList) -> Import:
    return make_draft(known_list, 1)


def open_page(page: Page, draft: Import) -> None:
    page.goto(f"/imports/{draft.pk}/")
    page.wait_for_load_state()


def expect_failed_requests(page: Page) -> None:
    """htmx logs each failed request as an error, which the fixture would count as a complaint."""
    page.evaluate("console.error = () => {}")


def type_purpose(page: Page, purpose: str) -> None:
    with page.expect_request("**/answers/"):
        page.get_by_label("Specific purpose").fill(purpose)


def test_answers_survive_a_reload(page: Page, draft: Import) -> None:
    open_page(page, draft)
    answer(page, "fraud_exemption")
    type_purpose(page, "To recognise people who committed fraud.")
    expect(page.locator("#saved")).to_contain_text("Answers saved at")
    page.reload()
    form = page.locator("#answers")
    expect(form.get_by_label("Lawful basis")).to_have_value("fraud_exemption")
    expect(form.get_by_label("Texas (CUBI)")).to_be_checked()
    expect(form.get_by_label("Law and paragraph")).to_have_value(
        "Tex. Bus. & Com. Code 503.001(e)(3)"
    )
    purpose = form.get_by_label("Specific purpose")
    expect(purpose).to_have_value("To recognise people who committed fraud.")
    expect(form.get_by_label("Reason for listing")).to_have_value("confirmed_fraud")
    expect(form.get_by_label("Every person shown is an adult")).to_be_checked()


def test_questions_follow_the_basis_even_if_the_answer_is_late(page: Page, draft: Import) -> None:
    """The same change is saved meanwhile, which must not cancel the request for the questions."""
    open_page(page, draft)
    page.clock.install()
    held: list[Route] = []
    released = threading.Event()
    page.route(
        "**/answers/",
        lambda route: route.continue_() if released.is_set() else held.append(route),
    )
    with page.expect_request("**/answers/"):
        page.get_by_label("Lawful basis").select_option("legal_claims")
    page.clock.run_for(5_000)
    released.set()
    for route in held:
        route.continue_()
    expect(page.get_by_label("Law and paragraph")).to_be_visible()
    expect(page.get_by_label("How consent is withdrawn")).to_have_count(0)


def test_answer_typed_before_the_questions_arrive_is_kept(page: Page, draft: Import) -> None:
    open_page(page, draft)
    held: list[Route] = []
    page.route("**/answers/", lambda route: held.append(route))
    with page.expect_request("**/answers/"):
        page.get_by_label("Lawful basis").select_option("legal_claims")
    purpose = page.get_by_label("Specific purpose")
    purpose.fill("To recognise people.")
    page.get_by_label("Every person shown is an adult").check()
    purpose.focus()
    held[0].continue_()
    expect(page.get_by_label("Law and paragraph")).to_be_visible()
    expect(purpose).to_have_value("To recognise people.")
    expect(purpose).to_be_focused()
    expect(page.get_by_label("Every person shown is an adult")).to_be_checked()


def test_answers_are_saved_once_the_connection_returns(page: Page, draft: Import) -> None:
    open_page(page, draft)
    expect_failed_requests(page)
    page.route("**/answers/", lambda route: route.abort())
    type_purpose(page, "To recognise people.")
    expect(page.locator("#connection")).to_have_text("Connection lost. Retrying.")
    page.unroute("**/answers/")
    expect(page.locator("#saved")).to_contain_text("Answers saved at")
    expect(page.locator("#connection")).to_be_empty()
    draft.refresh_from_db()
    assert draft.draft_answers["purpose"] == ["To recognise people."]


def test_answers_typed_while_signed_out_are_saved_after_signing_in(
    page: Page, draft: Import
) -> None:
    open_page(page, draft)
    page.context.clear_cookies(name="sessionid")
    type_purpose(page, "To recognise")
    expect(page.locator("#connection")).to_contain_text("What you typed is kept")
    expect(page.get_by_label("Specific purpose")).to_have_value("To recognise")
    with page.context.expect_page() as opened:
        page.locator("#connection").get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value)
    expect(page.locator("#saved")).to_contain_text("Answers saved at")
    expect(page.locator("#connection")).to_be_empty()
    draft.refresh_from_db()
    assert draft.draft_answers["purpose"] == ["To recognise"]


def test_what_is_missing_has_the_focus_and_leads_to_the_answer(page: Page, draft: Import) -> None:
    open_page(page, draft)
    answer(page)
    page.get_by_label("Notice version").fill("")
    page.get_by_role("button", name="Review and sign").first.click()
    errors = page.locator("#errors")
    expect(errors).to_be_focused()
    expect(errors).to_contain_text("1 answer is missing or wrong.")
    errors.get_by_role("link", name="Notice version").press("Enter")
    page.keyboard.type("4.2")
    expect(page.get_by_label("Notice version")).to_have_value("4.2")


def test_last_answer_is_saved_if_the_page_is_left_at_once(page: Page, draft: Import) -> None:
    open_page(page, draft)
    page.clock.install()  # so that nothing is saved while typing
    page.get_by_label("Specific purpose").fill("To recognise people.")
    expect(page.locator("#saved")).to_have_text("Saving…")
    page.goto("/")
    # Its own request is in no event of the browser, so the row is watched.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while draft.draft_answers.get("purpose") != ["To recognise people."]:
        assert time.monotonic() < deadline
        page.wait_for_load_state()
        draft.refresh_from_db()
