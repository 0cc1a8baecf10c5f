"""A person's own page: who they are, how they sign in, and what happened to the account."""

from datetime import date

import pytest
from django.test import Client

from importers.access.roles import assign
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.models import Person, Role
from tests.support.pages import words_of
from tests.support.people import PASSWORD, make_person
from tests.support.second_factor import enter, give_app, give_passkey
from tests.support.trail import actions

pytestmark = pytest.mark.django_db


def test_page_says_who_the_person_is_and_what_they_may_do(
    signed_in: Client, officer: Person
) -> None:
    assign(officer, [Role.OFFICER, Role.AUDITOR])
    Person.objects.update(ends_on=date(2099, 3, 1))
    text = words_of(signed_in.get("/account/"))
    for shown in ("Maya Okafor", "Username officer", "Last day 1 March 2099"):
        assert shown in text
    assert "Officer See imports and records, and search them See faces Prepare" in text
    assert "Auditor See imports and records" in text
    assert "Publish statements" not in text


def test_person_without_a_role_has_the_page_too(signed_in: Client, officer: Person) -> None:
    assign(officer, [])
    assert "Roles None. Ask an administrator for one." in words_of(signed_in.get("/account/"))


def test_page_lists_the_second_factors(signed_in: Client, officer: Person) -> None:
    assert "Second factor None Set up a second factor" in words_of(signed_in.get("/account/"))
    give_app(officer)
    give_passkey(officer, "Work <laptop>")
    text = words_of(signed_in.get("/account/"))
    assert "Authenticator app Passkey: Work <laptop> Manage second factors" in text


class TestEvents:
    def events(self, client: Client) -> list[tuple[str, str, bool]]:
        shown = client.get("/account/").context["events"]
        return [(event.words, event.person, event.by_another) for event in shown]

    def test_latest_come_first_and_name_who_did_it(self, client: Client, officer: Person) -> None:
        enter(client, "wrong password, alas")
        enter(client)
        admin = Actor.of_user(make_person("admin"), address="192.0.2.1", sign_in_method="")
        trail.append(admin, Action.PERSON_FACTOR_REMOVED, officer, type="totp")
        trail.append(admin, Action.PERSON_SIGNED_IN, admin.person)
        assert self.events(client) == [
            ("Removed a second factor (authenticator app)", "admin", True),
            ("Signed in (password)", "officer", False),
            ("Was refused sign-in or confirmation", "Somebody who was not signed in", False),
        ]

    def test_at_most_twenty_are_shown(
        self, signed_in: Client, officer: Person, actor: Actor
    ) -> None:
        for _ in range(25):
            trail.append(actor, Action.PERSON_PASSWORD_CHANGED, officer)
        assert len(self.events(signed_in)) == 20


def test_wrong_old_password_counts_and_is_recorded(signed_in: Client, officer: Person) -> None:
    new = {"password1": "quiet orange lantern 42", "password2": "quiet orange lantern 42"}
    for _ in range(6):
        signed_in.post("/account/password/", {"oldpassword": "a guess of somebody"} | new)
    assert actions()[-6:] == ["person.refused"] * 5 + ["person.throttled"]
    signed_in.post("/account/password/", {"oldpassword": PASSWORD} | new)
    assert Person.objects.get(pk=officer.pk).check_password(PASSWORD)
