"""Accounts, their password, and signing in."""

from playwright.sync_api import Page

from importers.access.roles import assign
from importers.models import Person, Role

PASSWORD = "correct horse battery staple"


def make_person(username: str, *roles: Role, **names: str) -> Person:
    """Make an account with these roles."""
    person = Person.objects.create_user(username, password=PASSWORD, **names)
    assign(person, roles)
    return person


def sign_in(page: Page, username: str = "officer") -> None:
    page.goto("/account/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("/")
