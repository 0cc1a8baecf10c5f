"""The People page, invitations with one-time links, and the page of one person."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.access.roles import assign
from importers.models import AuditEvent, Import, Person, Role
from importers.models.people import ADDITIONAL_RIGHTS, Right
from tests.support.makers import MakeImports
from tests.support.pages import states, values_of, words_of
from tests.support.people import PASSWORD, make_person
from tests.support.postgresql import free_port
from tests.support.second_factor import give_app
from tests.support.trail import actions
from tests.views.test_query_counts import count_queries

pytestmark = pytest.mark.django_db
NEW_PASSWORD = "a longer horse battery staple"
INVITATION = {"username": "noor", "first_name": "Noor", "last_name": "Aziz", "roles": ["officer"]}
MAILED = INVITATION | {"email": "noor@example.org"}


@pytest.fixture
def ada(db: None) -> Person:
    return make_person("ada", Role.ADMINISTRATOR, first_name="Ada", last_name="Lindqvist")


@pytest.fixture
def administrator(ada: Person) -> Client:
    """A client signed in as Ada."""
    return signed_in_as("ada")


def signed_in_as(username: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/account/login/", {"login": username, "password": password})
    return client


def post(client: Client, name: str, person: Person, **fields: Any) -> Any:
    return client.post(reverse(name, args=[person.pk]), fields, follow=True)


def invite(client: Client, **fields: Any) -> Any:
    return client.post("/people/new/", INVITATION | fields)


def shown_link(answer: Any) -> str:
    """The path of the link on the page."""
    (address,) = re.findall(r'value="(http://testserver/[^"]*)"', answer.content.decode())
    return str(address).removeprefix("http://testserver")


def set_password(client: Client, path: str) -> Any:
    """Open the link and choose a password."""
    page = client.get(path, follow=True)
    chosen = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    return client.post(page.request["PATH_INFO"], chosen)


def can_sign_in(username: str, password: str) -> bool:
    return "_auth_user_id" in signed_in_as(username, password).session


class TestIndex:
    def test_every_account_is_listed_with_roles_and_state(
        self, administrator: Client, officer: Person
    ) -> None:
        make_person("auditor", Role.AUDITOR, is_active=False)
        Person.objects.filter(pk=officer.pk).update(ends_on=date(2099, 3, 31))
        answer = administrator.get("/people/")
        shown = words_of(answer)
        assert "Ada Lindqvist ada Administrator Active" in shown
        assert "auditor auditor Auditor Deactivated Never No None" in shown
        assert "Maya Okafor officer Officer Active Never No 31 Mar 2099" in shown
        assert states(answer.content.decode()) == ["active", "deactivated", "active"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("role=officer", ["Maya Okafor"]),
            ("state=active&role=administrator", ["Ada Lindqvist"]),
            ("state=ended", []),
            ("role=nonsense", ["Ada Lindqvist", "Maya Okafor"]),
        ],
    )
    def test_filters_are_part_of_the_address(
        self, query: str, expected: list[str], administrator: Client, officer: Person
    ) -> None:
        html = administrator.get(f"/people/?{query}").content.decode()
        assert re.findall(r'<a href="/people/\d+/">([^<]*)</a>', html) == expected

    def test_queries_do_not_grow_with_people(self, administrator: Client) -> None:
        few = count_queries(administrator, "/people/")
        for number in range(20):
            make_person(f"person {number}", Role.OFFICER, Role.AUDITOR)
        assert count_queries(administrator, "/people/") == few <= 8

    def test_only_administrators_are_offered_the_page(
        self, administrator: Client, signed_in: Client
    ) -> None:
        assert 'href="/people/"' in administrator.get("/lists/").content.decode()
        assert 'href="/people/"' not in signed_in.get("/lists/").content.decode()
        assert signed_in.get("/people/").status_code == 403


class TestInvitation:
    def test_person_sets_a_password_with_the_link_once(
        self, administrator: Client, client: Client
    ) -> None:
        answer = invite(administrator, rights=["export"], ends_on="2099-01-31")
        link = shown_link(answer)
        noor = Person.objects.get(username="noor")
        assert noor.rights >= {Right.MAKE_IMPORTS, Right.EXPORT}
        assert (noor.get_full_name(), noor.ends_on) == ("Noor Aziz", date(2099, 1, 31))
        assert set_password(client, link).status_code == 302
        assert can_sign_in("noor", NEW_PASSWORD)
        assert "This link is no longer valid" in words_of(Client().get(link))
        assert actions()[1:3] == ["person.invited", "person.link_made"]
        assert not AuditEvent.objects.filter(details__icontains=link.split("-")[-1]).exists()

    def test_link_is_not_shown_again(self, administrator: Client) -> None:
        link = shown_link(invite(administrator))
        noor = Person.objects.get(username="noor")
        for path in ("/people/", f"/people/{noor.pk}/"):
            assert link not in administrator.get(path).content.decode()
        assert "Invited" in words_of(administrator.get("/people/?state=invited"))

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"first_name": " "}, "Enter the first name."),
            ({"last_name": ""}, "Enter the last name."),
            ({"username": "ADA"}, "This username is taken."),
            ({"username": "Ａda"}, "This username is taken."),  # stored as "Ada"
            ({"username": "ｗorker"}, "This username is taken."),
            ({"username": "a b"}, "Enter a valid username."),
            ({"roles": []}, "Select at least one role or additional right."),
            ({"ends_on": "2020-01-01"}, "This day is in the past."),
            ({"rights": ["manage_people"]}, "manage_people is not one of the available choices"),
        ],
    )
    def test_incomplete_invitation_is_refused(
        self, fields: dict[str, Any], sentence: str, administrator: Client
    ) -> None:
        answer = invite(administrator, **fields)
        assert answer.status_code == 422
        assert sentence in words_of(answer)
        assert Person.objects.count() == 1


class TestMail:
    @pytest.fixture
    def mail_server(self, settings: Settings) -> None:
        backend = "django.core.mail.backends.locmem.EmailBackend"
        settings.MAILERS = {"default": {"BACKEND": backend}}

    def test_link_is_mailed_and_not_shown(
        self, mail_server: None, administrator: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        answer = invite(administrator, **MAILED)
        (message,) = mailoutbox
        assert message.to == ["noor@example.org"]
        assert "http://testserver/account/link/" in str(message.body)
        assert "A link was sent to noor@example.org." in words_of(answer)
        assert 'id="link"' not in answer.content.decode()

    def test_person_without_an_address_gets_the_link_from_the_administrator(
        self, mail_server: None, administrator: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        assert shown_link(invite(administrator))
        assert mailoutbox == []

    def test_link_is_shown_if_the_mail_cannot_be_sent(
        self, administrator: Client, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        backend = "django.core.mail.backends.smtp.EmailBackend"
        nobody_listens = {"host": "127.0.0.1", "port": free_port()}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": nobody_listens}}
        answer = invite(administrator, **MAILED)
        assert "The mail could not be sent." in words_of(answer)
        assert shown_link(answer) not in caplog.text
        assert "example.org" not in caplog.text


class TestPerson:
    def test_access_is_changed(self, administrator: Client, officer: Person) -> None:
        html = administrator.get(f"/people/{officer.pk}/").content.decode()
        assert re.findall(r'value="(\w+)"[^>]*checked', html) == ["officer"]
        fields = {"roles": ["approver"], "rights": ["export"], "ends_on": "2099-01-31"}
        assert "Access was saved." in words_of(
            post(administrator, "person_access", officer, **fields)
        )
        changed = Person.objects.get(pk=officer.pk)
        assert Right.APPROVE in changed.rights
        assert Right.MAKE_IMPORTS not in changed.rights
        assert (changed.additional_rights, changed.ends_on) == ([Right.EXPORT], date(2099, 1, 31))

    def test_last_day_in_the_past_is_kept_but_not_set(
        self, administrator: Client, officer: Person
    ) -> None:
        yesterday = date.today() - timedelta(days=1)
        fields = {"roles": ["officer"], "ends_on": str(yesterday)}
        answer = post(administrator, "person_access", officer, **fields)
        assert answer.status_code == 422
        assert values_of(answer.content.decode(), "ends_on") == [str(yesterday)]
        Person.objects.filter(pk=officer.pk).update(ends_on=yesterday)
        assert post(administrator, "person_access", officer, **fields).status_code == 200

    def test_details_are_changed(self, administrator: Client, officer: Person) -> None:
        fields = {"first_name": "Maya", "last_name": "Lind"}
        post(administrator, "person_details", officer, **fields)
        assert Person.objects.get(pk=officer.pk).get_full_name() == "Maya Lind"
        answer = post(administrator, "person_details", officer, first_name="Maya")
        assert "Enter the last name." in words_of(answer)

    def test_deactivation_ends_sessions_at_once(
        self, administrator: Client, signed_in: Client, officer: Person
    ) -> None:
        answer = post(administrator, "person_deactivate", officer)
        assert "Maya Okafor was deactivated. Its sessions have ended." in words_of(answer)
        assert signed_in.get("/").status_code == 302
        assert Session.objects.count() == 1  # Ada's
        post(administrator, "person_reactivate", officer)
        assert signed_in.get("/").status_code == 302
        assert can_sign_in("officer", PASSWORD)

    def test_sessions_are_ended_without_deactivation(
        self, administrator: Client, signed_in: Client, officer: Person
    ) -> None:
        assert "1 session ended." in words_of(post(administrator, "person_sessions_end", officer))
        assert signed_in.get("/").status_code == 302
        assert actions()[-1] == "person.sessions_ended"

    def test_lost_second_factor_is_reset(
        self, administrator: Client, signed_in: Client, officer: Person
    ) -> None:
        give_app(officer)
        answer = post(administrator, "person_factor_reset", officer)
        assert "The second factor of Maya Okafor was removed." in words_of(answer)
        assert not Authenticator.objects.exists()
        assert signed_in.get("/").status_code == 302
        event = AuditEvent.objects.get(action="person.factor_removed")
        assert (event.actor_name, event.object_id) == ("ada", str(officer.pk))

    def test_new_link_replaces_a_forgotten_password(
        self, administrator: Client, officer: Person
    ) -> None:
        link = shown_link(post(administrator, "person_link", officer))
        set_password(Client(), link)
        assert not can_sign_in("officer", PASSWORD)
        assert can_sign_in("officer", NEW_PASSWORD)

    def test_open_drafts_are_handed_over(
        self, administrator: Client, officer: Person, make_imports: MakeImports
    ) -> None:
        (draft,) = make_imports(1)
        noor = make_person("noor", Role.OFFICER, first_name="Noor", last_name="Aziz")
        make_person("approver", Role.APPROVER)
        page = administrator.get(f"/people/{officer.pk}/")
        assert "Hand over 1 draft" in words_of(page)
        assert ">approver</option>" not in page.content.decode()
        answer = post(administrator, "person_hand_over", officer, colleague=noor.pk)
        assert "1 draft handed over to Noor Aziz." in words_of(answer)
        assert Import.objects.get().handed_to == noor
        colleague = signed_in_as("noor")
        assert f"Import {draft.pk}" in words_of(colleague.get(f"/?person={noor.pk}"))
        shown = words_of(colleague.get(f"/imports/{draft.pk}/"))
        assert "Created by Maya Okafor" in shown
        assert "Handed over to Noor Aziz." in shown

    def test_drafts_are_not_handed_to_who_cannot_make_imports(
        self, administrator: Client, ada: Person, officer: Person, make_imports: MakeImports
    ) -> None:
        make_imports(1)
        answer = post(administrator, "person_hand_over", officer, colleague=ada.pk)
        assert "This colleague cannot make imports." in words_of(answer)
        assert Import.objects.get().handed_to is None


class TestOwnAccount:
    def test_administrator_cannot_give_themselves_faces(
        self, administrator: Client, ada: Person
    ) -> None:
        fields = {"roles": ["administrator", "officer"], "rights": ["see_faces"]}
        answer = post(administrator, "person_access", ada, **fields)
        assert "Another administrator changes your roles, rights and last day." in words_of(answer)
        assert Right.SEE_FACES not in Person.objects.get(pk=ada.pk).rights

    @pytest.mark.parametrize("right", ADDITIONAL_RIGHTS)
    def test_single_right_leads_to_a_page(self, right: Right, officer: Person) -> None:
        officer.groups.clear()
        officer.user_permissions.set(Permission.objects.filter(codename=right))
        page = signed_in_as("officer").get("/", follow=True)
        assert page.status_code == 200

    @pytest.mark.parametrize(
        "name",
        ["person_access", "person_deactivate", "person_reactivate", "person_link"],
    )
    def test_own_access_is_not_offered_and_refused(
        self, name: str, administrator: Client, ada: Person
    ) -> None:
        address = reverse(name, args=[ada.pk])
        assert address not in administrator.get(f"/people/{ada.pk}/").content.decode()
        before = actions()
        answer = post(administrator, name, ada, roles=["officer"])
        assert 'data-level="error"' in answer.content.decode()
        assert actions() == before

    def test_last_administrator_is_named_as_the_reason(
        self, administrator: Client, ada: Person
    ) -> None:
        bea = make_person("bea", Role.ADMINISTRATOR)
        Person.objects.filter(pk=ada.pk).update(ends_on=date.today())
        answer = post(administrator, "person_deactivate", bea)
        assert "This is the last administrator without a last day." in words_of(answer)
        assert Person.objects.get(pk=bea.pk).is_active


def test_person_who_lost_the_role_changes_nobody(
    administrator: Client, ada: Person, officer: Person
) -> None:
    assign(ada, [Role.AUDITOR])
    for name in ("person_access", "person_deactivate", "person_link", "person_details"):
        assert post(administrator, name, officer).status_code == 403
    assert Person.objects.get(pk=officer.pk).is_active
