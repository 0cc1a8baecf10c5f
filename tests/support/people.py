"""Accounts, their password, and signing in."""

from typing import Any

from playwright.sync_api import Page

from importers.access.roles import assign
from importers.models import Person, Role

PASSWORD = "correct horse battery staple"


def make_person(username: str, *roles: Role, **values: Any) -> Person:
    """Make an account with these roles; `values` are set on it."""
    person = Person.objects.create_user(username, password=PASSWORD, **values)
    assign(person, roles)
    return person


def sign_in(page: Page, username: str = "officer") -> None:
    page.goto("/account/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("/")
