"""People sign in with an authenticator app and with a passkey, on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from importers.models import Person
from tests.support.browser import check
from tests.support.people import PASSWORD
from tests.support.second_factor import code

pytestmark = pytest.mark.django_db(transaction=True)
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


@pytest.fixture
def device(phone: Page) -> Iterator[Page]:
    """A phone that can keep passkeys."""
    session = phone.context.new_cdp_session(phone)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    yield phone
    session.detach()


def sign_out(page: Page) -> None:
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def enter_password(page: Page) -> None:
    page.get_by_label("Username").fill("officer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()


def test_app_and_then_a_recovery_code(phone: Page, officer: Person) -> None:
    phone.goto("/lists/")
    phone.locator("details.menu summary").click()
    phone.get_by_role("link", name="Your account").click()
    check(phone, "Your account")
    phone.get_by_role("link", name="Set up a second factor").click()
    phone.get_by_role("link", name="Set up an app").click()
    check(phone, "Set up an authenticator app")
    key = phone.locator("code").inner_text()
    phone.get_by_label("Code that the app shows").fill(code(key))
    phone.get_by_role("button", name="Set up").click()
    expect(phone.get_by_role("status").first).to_contain_text("The authenticator app is set up.")
    check(phone, "Recovery codes")
    one = phone.get_by_role("listitem").first.inner_text()
    sign_out(phone)
    enter_password(phone)
    check(phone, "Second factor")
    phone.get_by_label("Code").fill(code(key))
    phone.get_by_role("button", name="Sign in").click()
    expect(phone.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    sign_out(phone)
    enter_password(phone)
    phone.get_by_label("Code").fill(one)
    phone.get_by_role("button", name="Sign in").click()
    phone.goto("/account/second-factor/")
    expect(phone.get_by_text("9 left")).to_be_visible()
    check(phone, "Second factor")


def test_passkey_without_a_password(device: Page, officer: Person) -> None:
    device.goto("/account/second-factor/")
    device.get_by_role("link", name="Add a passkey").click()
    check(device, "Add a passkey")
    device.get_by_label("Name").fill("Phone")
    device.get_by_role("button", name="Add a passkey").click()
    expect(device.get_by_role("heading", name="Recovery codes")).to_be_visible()
    sign_out(device)
    check(device, "Sign in")
    device.get_by_role("button", name="Use a passkey").click()
    expect(device.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    device.goto("/account/")
    expect(device.get_by_text("Signed in (passkey)")).to_be_visible()
    device.goto("/account/confirm/passkey/?next=/lists/")
    check(device, "Confirm that it is you")
    device.get_by_role("button", name="Use a passkey").click()
    expect(device.get_by_role("heading", name="Face lists", exact=True)).to_be_visible()
    sign_out(device)
    enter_password(device)
    device.get_by_role("button", name="Use a passkey").click()
    expect(device.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
