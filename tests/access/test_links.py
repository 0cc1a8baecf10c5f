"""Setting a password by a link: once, within a day, and recorded."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.test import Client

from importers.access.links import one_time_link
from importers.models import AuditEvent, Person
from tests.support.second_factor import enter
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
NEW = "a quite different horse"


def open_link(client: Client, link: str) -> Any:
    return client.get(link, follow=True)


def set_password(client: Client, link: str, password: str = NEW) -> Any:
    page = open_link(client, link)
    given = {"password1": password, "password2": password}
    return client.post(page.request["PATH_INFO"], given, follow=True)


def test_link_sets_the_password(client: Client, officer: Person) -> None:
    officer.set_unusable_password()
    officer.save()
    page = set_password(client, one_time_link(officer))
    assert page.request["PATH_INFO"] == "/account/login/"
    assert "Your new password is set." in page.content.decode()
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.object_id, event.details) == (
        *("person.password_set", officer, str(officer.pk)),
        {},
    )
    enter(client, NEW)
    assert actions() == ["person.password_set", "person.signed_in"]


def test_key_of_the_link_leaves_the_address(client: Client, officer: Person) -> None:
    link = one_time_link(officer)
    path = open_link(client, link).request["PATH_INFO"]
    assert path.endswith("/set-password/")
    assert Client().get(path).context["token_fail"]


def test_weak_password_is_refused(client: Client, officer: Person) -> None:
    page = set_password(client, one_time_link(officer), "short")
    assert "at least 15 characters" in page.content.decode()
    assert actions() == []


def test_used_link_says_so(client: Client, officer: Person) -> None:
    link = one_time_link(officer)
    set_password(client, link)
    page = open_link(Client(), link)
    assert "This link is no longer valid" in page.content.decode()
    assert actions() == ["person.password_set"]


def test_link_ends_after_a_day(
    client: Client, officer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = one_time_link(officer)
    for hours, is_valid in ((23, True), (25, False)):
        later = datetime.now() + timedelta(hours=hours)  # as Django's own
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self, later=later: later)
        valid = "Set your password" in open_link(Client(), link).content.decode()
        assert valid == is_valid


def test_link_ends_with_the_next_sign_in(client: Client, officer: Person) -> None:
    link = one_time_link(officer)
    enter(client)
    assert "no longer valid" in open_link(Client(), link).content.decode()


def test_link_of_an_ended_account_is_refused(client: Client, officer: Person) -> None:
    link = one_time_link(officer)
    Person.objects.filter(pk=officer.pk).update(is_active=False)
    assert "no longer valid" in open_link(client, link).content.decode()


@pytest.mark.parametrize("link", ["/account/link/zz/abc-def/", "/account/link/!/x/"])
def test_invented_link_is_refused(link: str, client: Client, officer: Person) -> None:
    assert "no longer valid" in open_link(client, link).content.decode()


def test_link_ends_the_sessions_of_its_person(signed_in: Client, officer: Person) -> None:
    officer.refresh_from_db()  # the link belongs to the latest sign-in
    set_password(Client(), one_time_link(officer))
    assert signed_in.get("/").status_code == 302
