"""Signing in, and the password of every test account."""

from playwright.sync_api import Page

PASSWORD = "correct horse battery staple"


def sign_in(page: Page, username: str = "officer") -> None:
    page.goto("/account/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("/")
