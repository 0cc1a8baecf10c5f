"""An administrator invites a person, who chooses a password, and closes an account, on a phone."""

import pytest
from playwright.sync_api import Page, expect

from importers.access.roles import assign
from importers.models import Person, Role
from tests.support.browser import check
from tests.support.makers import MakeImports
from tests.support.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return page


def test_administrator_invites_and_deactivates(
    phone: Page, officer: Person, make_imports: MakeImports
) -> None:
    assign(officer, [Role.ADMINISTRATOR])
    leaving = make_person("leaving", Role.OFFICER, first_name="Lea", last_name="Vink")
    make_imports(2, created_by=leaving)
    phone.goto("/")
    check(phone, "People")
    phone.get_by_role("link", name="Invite a person").click()
    phone.get_by_role("button", name="Invite").click()
    expect(phone.get_by_text("Enter the first name.")).to_be_visible()
    check(phone, "Invite a person")
    phone.get_by_label("Username").fill("noor")
    phone.get_by_label("First name").fill("Noor")
    phone.get_by_label("Last name").fill("Aziz")
    phone.get_by_role("checkbox", name="Officer").check()
    phone.get_by_role("button", name="Invite").click()
    phone.get_by_role("button", name="Copy link").click()
    expect(phone.get_by_text("Copied.")).to_be_visible()
    check(phone, "Link for Noor Aziz")
    link = phone.evaluate("navigator.clipboard.readText()")

    phone.get_by_role("link", name="Done").click()
    expect(phone.get_by_role("heading", name="Noor Aziz Invited")).to_be_visible()
    phone.get_by_role("link", name="People").first.click()
    phone.get_by_role("link", name="Lea Vink").click()
    check(phone, "Lea Vink")
    phone.get_by_label("Hand over to").select_option("Noor Aziz")
    phone.get_by_role("button", name="Hand over 2 drafts").click()
    expect(phone.get_by_text("2 drafts handed over to Noor Aziz.")).to_be_visible()
    phone.get_by_role("button", name="Deactivate").click()
    expect(phone.get_by_role("heading", name="Lea Vink Deactivated")).to_be_visible()
    check(phone, "Lea Vink Deactivated")

    phone.goto(link)
    for field in phone.locator("input[type=password]").all():
        field.fill(f"{PASSWORD} for Noor")
    phone.get_by_role("button", name="Set password").click()
    expect(phone.get_by_text("Your new password is set.")).to_be_visible()
    phone.get_by_label("Username").fill("noor")
    phone.get_by_label("Password").fill(f"{PASSWORD} for Noor")
    phone.get_by_role("button", name="Sign in").click()
    expect(phone.locator("summary")).to_have_text("Noor Aziz")
