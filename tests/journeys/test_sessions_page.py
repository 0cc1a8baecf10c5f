"""A person ends a session on another device, on a phone."""

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from tests.support.browser import check
from tests.support.people import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def test_person_ends_a_session_elsewhere(page: Page) -> None:
    Client().post("/account/login/", {"login": "officer", "password": PASSWORD})
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/account/sessions/")
    check(page, "Sessions")
    page.get_by_role("button", name="End the session on Unknown device").click()
    expect(page.get_by_role("status").first).to_contain_text("1 session ended.")
    expect(page.get_by_text("This session")).to_be_visible()
    expect(page.get_by_role("button", name="End the session")).to_have_count(0)
