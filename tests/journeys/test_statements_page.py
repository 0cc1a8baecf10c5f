"""An administrator publishes a statement on a phone, and the fact sheet on a phone and on paper."""

import pytest
from playwright.sync_api import Page, expect

from importers.access.roles import assign
from importers.consent import statements
from importers.models import Person, Role
from tests.support.browser import check

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


def test_administrator_publishes_a_version(phone: Page, officer: Person) -> None:
    assign(officer, [Role.ADMINISTRATOR])
    wording = statements.in_force("legal_claims").text.replace("is an adult", "is over 18")
    phone.goto("/lists/")
    phone.get_by_role("link", name="Statements").click()
    check(phone, "Statements")
    phone.get_by_role("link", name="New version of Legal claims").click()
    phone.get_by_label("Text").fill("")
    phone.get_by_role("button", name="Preview").click()
    expect(phone.get_by_text("Enter the text of the statement.")).to_be_visible()
    check(phone, "Legal claims")
    phone.get_by_label("Text").fill(wording)
    phone.get_by_role("button", name="Preview").click()
    changed = phone.get_by_role("listitem").filter(has_not_text="Unchanged")
    expect(changed).to_contain_text(
        ["every such person is an adult", "every such person is over 18"]
    )
    check(phone, "Legal claims")
    phone.get_by_label("This version takes effect at once").check()
    phone.get_by_role("button", name="Publish version 2").click()
    expect(phone.get_by_role("status").first).to_contain_text("Version 2 is in force")
    phone.get_by_text("Earlier versions (1)").click()
    check(phone, "Statements")
    assert statements.in_force("legal_claims").text == wording


def test_fact_sheet_fits_a_phone_and_paper(phone: Page) -> None:
    phone.goto("/bases/")
    check(phone, "Which basis may be used where")
    heading = phone.get_by_role("heading", name="Which basis may be used where")
    links = phone.get_by_role("navigation", name="Main")
    expect(links).to_be_visible()
    phone.emulate_media(media="print")
    expect(heading).to_be_visible()
    expect(links).to_be_hidden()
