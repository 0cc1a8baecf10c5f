"""A person without an account signs in through their provider, on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.support import oidc
from tests.support.browser import check
from tests.support.oidc import Oidc

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider(settings: Settings) -> Iterator[Oidc]:
    with oidc.running() as running:
        settings.OIDC = oidc.provider(running.url)
        yield running


@pytest.fixture
def phone(live_server: LiveServer, browser: Browser) -> Iterator[Page]:
    """A page of a stranger; the test fails on any error of a script or the CSP on our pages."""
    errors: list[str] = []
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 390, "height": 844}, reduced_motion="reduce"
    )
    context.route("https://cdn.jsdelivr.net/**", lambda route: route.abort())  # of the provider
    page = context.new_page()
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert [error for error in errors if "Content Security Policy" in error] == []


def test_person_signs_in_and_lands_on_the_page_they_came_for(phone: Page, provider: Oidc) -> None:
    provider.knows("ann", preferred_username="ann", name="Ann Lee", groups=["face-officers"])
    phone.goto("/lists/")
    check(phone, "Sign in")
    phone.get_by_role("button", name="Acme").click()
    phone.get_by_label("Subject").fill("ann")
    phone.get_by_role("button", name="Authorize", exact=True).click()
    expect(phone.get_by_role("heading", name="Face lists", exact=True)).to_be_visible()
    assert phone.url.endswith("/lists/")
    phone.goto("/")
    expect(phone.get_by_role("link", name="New import").first).to_be_visible()
    phone.get_by_role("banner").get_by_text("Ann Lee").click()
    phone.get_by_role("link", name="Your account").click()
    phone.get_by_role("link", name="Connect or disconnect Acme").click()
    expect(phone.get_by_text("Your account is connected to Acme.")).to_be_visible()
    check(phone, "Single sign-on")
    phone.goto("/account/single-sign-on/again/?next=/lists/")
    check(phone, "Confirm that it is you")
    phone.get_by_role("button", name="Sign in again").click()
    phone.get_by_role("button", name="Deny access").click()
    expect(phone.get_by_role("heading", name="Single sign-on was cancelled")).to_be_visible()
    check(phone, "Single sign-on was cancelled")
