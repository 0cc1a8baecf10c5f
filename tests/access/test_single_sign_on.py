"""Single sign-on through a real provider: roles, accounts, and whom it refuses."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.utils import perform_login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialAccount, SocialLogin, SocialToken
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from importers.access import identities
from importers.models import AuditEvent, Person, Role
from tests.support import oidc
from tests.support.oidc import Oidc
from tests.support.pages import words_of
from tests.support.people import PASSWORD, make_person
from tests.support.trail import actions, breaks

ANN = {
    "preferred_username": "ann",
    "given_name": "Ann",
    "family_name": "Lee",
    "email": "ann@example.org",
    "groups": ["staff", "auditors"],
}
START = "account_single_sign_on"

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def running() -> Iterator[Oidc]:
    with oidc.running() as provider:
        yield provider


@pytest.fixture
def provider(running: Oidc, settings: Settings) -> Oidc:
    settings.OIDC = oidc.provider(running.url)
    running.knows("7f3a", **ANN)
    return running


@pytest.fixture
def ann(provider: Oidc) -> Person:
    """Somebody who has signed in once, by another browser."""
    oidc.sign_in(Client(), "7f3a")
    return Person.objects.get(username="ann")


def roles(person: Person) -> list[str]:
    return list(person.groups.order_by("name").values_list("name", flat=True))


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def last() -> AuditEvent:
    return AuditEvent.objects.latest("pk")


def test_first_sign_in_makes_an_account_with_the_role_of_the_claims(
    provider: Oidc, client: Client
) -> None:
    answer = oidc.sign_in(client, "7f3a", next="/lists/")
    assert (answer.status_code, answer.url) == (302, "/lists/")
    person = Person.objects.get()
    assert (person.username, person.get_full_name(), person.email) == ("ann", "Ann Lee", "")
    assert not person.has_usable_password()
    assert roles(person) == ["auditor"]
    assert client.get("/lists/").status_code == 200
    assert actions() == ["person.created", "person.roles_changed", "person.signed_in"]
    changed = AuditEvent.objects.get(action="person.roles_changed")
    assert (changed.actor_name, changed.object_id) == ("single sign-on", str(person.pk))
    assert changed.details == {"by": "single sign-on", "before": [], "after": ["auditor"]}
    assert breaks() == []


def test_nothing_of_the_claims_is_stored_but_the_subject(ann: Person, provider: Oidc) -> None:
    identity = SocialAccount.objects.get()
    assert (identity.provider, identity.uid, identity.extra_data) == (provider.url, "7f3a", {})
    assert not SocialToken.objects.exists()
    (session,) = Session.objects.filter(session_data__isnull=False)
    assert "token" not in str(session.get_decoded())


def test_provider_is_asked_with_pkce_and_a_nonce(provider: Oidc, client: Client) -> None:
    query = parse_qs(urlsplit(oidc.leave(client, reverse(START))).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["http://testserver/account/single-sign-on/callback/"]
    assert len(query["nonce"][0]) == 32
    assert "prompt" not in query


def test_roles_follow_the_claims_at_each_sign_in(
    ann: Person, provider: Oidc, client: Client
) -> None:
    provider.knows("7f3a", **ANN | {"groups": "face-officers"})
    oidc.sign_in(client, "7f3a")
    assert roles(ann) == ["officer"]
    changed = AuditEvent.objects.filter(action="person.roles_changed").latest("pk")
    assert (changed.details["before"], changed.details["after"]) == (["auditor"], ["officer"])
    oidc.sign_in(client, "7f3a")
    assert actions().count("person.roles_changed") == 2
    assert Person.objects.count() == 1


def test_account_without_a_role_in_the_claims_loses_its_own_and_is_refused(
    ann: Person, provider: Oidc, client: Client
) -> None:
    provider.knows("7f3a", **ANN | {"groups": ["staff"]})
    answer = oidc.sign_in(client, "7f3a")
    assert answer.status_code == 403
    assert "You have no role here" in words_of(answer)
    assert roles(ann) == []
    assert not is_signed_in(client)
    assert (last().action, last().object_id) == ("person.refused", str(ann.pk))
    assert last().details["reason"] == "no_role"


def test_stranger_without_a_role_gets_no_account(provider: Oidc, client: Client) -> None:
    provider.knows("bob", preferred_username="bob", groups=["staff"])
    assert oidc.sign_in(client, "bob").status_code == 403
    assert not Person.objects.exists()
    assert not SocialAccount.objects.exists()
    assert (last().action, last().object_id, last().details["name"]) == (
        "person.refused",
        "",
        "bob",
    )


def test_account_is_never_taken_over_by_its_name(provider: Oidc, client: Client) -> None:
    own = make_person("ann", Role.ADMINISTRATOR, email="ann@example.org")
    provider.knows("7f3a", **ANN | {"preferred_username": "ANN", "email_verified": True})
    answer = oidc.sign_in(client, "7f3a")
    assert answer.status_code == 403
    assert "An account with this name exists" in words_of(answer)
    assert not is_signed_in(client)
    assert Person.objects.get() == own
    assert roles(own) == ["administrator"]
    assert (last().object_id, last().details["reason"]) == (str(own.pk), "name_taken")


def test_account_cannot_look_like_an_actor_of_the_trail(provider: Oidc, client: Client) -> None:
    provider.knows("7f3a", **ANN | {"preferred_username": "Operator"})
    assert oidc.sign_in(client, "7f3a").status_code == 403
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    "ended", [{"is_active": False}, {"ends_on": date.today() - timedelta(days=1)}]
)
def test_ended_account_is_refused_as_at_the_password(
    ended: dict[str, Any], ann: Person, provider: Oidc, client: Client
) -> None:
    Person.objects.update(**ended)
    answer = oidc.sign_in(client, "7f3a")
    assert (answer.status_code, answer.url) == (302, reverse("account_inactive"))
    assert not is_signed_in(client)
    assert (last().action, last().details["reason"]) == ("person.refused", "ended")


def test_another_issuer_does_not_open_the_account(
    ann: Person, provider: Oidc, client: Client, settings: Settings
) -> None:
    SocialAccount.objects.update(provider="https://id.example.org")
    assert oidc.sign_in(client, "7f3a").status_code == 403
    assert last().details["reason"] == "name_taken"


def test_person_returns_only_to_our_pages(provider: Oidc, client: Client) -> None:
    assert oidc.sign_in(client, "7f3a", next="https://evil.example/").url == "/"


def test_without_a_provider_nothing_is_offered(signed_in: Client) -> None:
    assert "single-sign-on" not in signed_in.get("/").content.decode()
    assert "single-sign-on" not in Client().get(reverse("account_login")).content.decode()
    assert signed_in.post(reverse(START)).status_code == 404
    for name in (f"{START}_callback", "single_sign_on_again", "socialaccount_connections"):
        assert signed_in.get(reverse(name)).status_code == 404


def test_two_first_sign_ins_at_once_make_one_account(
    ann: Person, provider: Oidc, rf: RequestFactory
) -> None:
    """The other request has made the account since this one looked for it."""
    identity = SocialAccount(provider=provider.url, uid="7f3a")
    login = SocialLogin(user=Person(), account=identity)
    login.claims = ANN | {"preferred_username": "ann2"}
    with pytest.raises(ImmediateHttpResponse) as refused:
        identities.make_account(rf.get("/"), login)
    assert refused.value.response.status_code == 403
    assert Person.objects.get() == ann
    assert last().action == "person.refused"


def test_addresses_that_begin_too_often_are_slowed_down(
    provider: Oidc, client: Client, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"single_sign_on": "1/m/ip"}
    oidc.leave(client, reverse(START))
    assert client.post(reverse(START)).status_code == 429


class TestWithoutPasswords:
    @pytest.fixture(autouse=True)
    def passwords_are_off(self, provider: Oidc, settings: Settings) -> None:
        settings.PASSWORD_SIGN_IN = False

    def test_only_single_sign_on_is_offered(self, client: Client) -> None:
        page = client.get(reverse("account_login")).content.decode()
        assert "Acme" in page
        assert "password" not in page.lower()
        oidc.sign_in(client, "7f3a")
        assert is_signed_in(client)

    def test_right_password_is_refused_like_a_wrong_one(
        self, officer: Person, client: Client
    ) -> None:
        for password in (PASSWORD, "wrong"):
            data = {"login": "officer", "password": password}
            assert client.post(reverse("account_login"), data).status_code == 403
        assert not is_signed_in(client)
        assert actions() == []

    def test_no_other_door_signs_anybody_in(self, officer: Person, rf: RequestFactory) -> None:
        """Such as a passkey, or a link that sets a password."""
        request = rf.post("/")
        request.session = SessionStore()
        with pytest.raises(PermissionDenied):
            perform_login(request, officer)


class TestConnection:
    ADDRESS = "/account/single-sign-on/connection/"

    def connect(self, client: Client, subject: str) -> Any:
        data = {"connect": "yes", "password": PASSWORD, "next": self.ADDRESS}
        return client.get(oidc.agree(oidc.leave(client, self.ADDRESS, **data), subject))

    def test_person_connects_their_account_and_signs_in_with_it(
        self, provider: Oidc, signed_in: Client, officer: Person, client: Client
    ) -> None:
        assert self.connect(signed_in, "7f3a").url == self.ADDRESS
        assert (last().action, last().actor) == ("person.single_sign_on_connected", officer)
        assert "Disconnect" in words_of(signed_in.get(self.ADDRESS))
        assert roles(officer) == ["officer"]
        other = Client()
        oidc.sign_in(other, "7f3a")
        assert other.session["_auth_user_id"] == str(officer.pk)
        assert roles(officer) == ["auditor"]

    def test_identity_of_one_account_cannot_open_another(
        self, ann: Person, provider: Oidc, signed_in: Client, officer: Person
    ) -> None:
        answer = self.connect(signed_in, "7f3a")
        assert answer.status_code == 403
        assert "That was another account" in words_of(answer)
        assert SocialAccount.objects.get().user == ann

    def test_account_has_one_identity_at_most(self, provider: Oidc, signed_in: Client) -> None:
        self.connect(signed_in, "7f3a")
        assert self.connect(signed_in, "other").status_code == 403
        assert SocialAccount.objects.get().uid == "7f3a"

    @pytest.mark.parametrize("act", ["connect", "disconnect"])
    def test_password_is_asked(self, act: str, provider: Oidc, signed_in: Client) -> None:
        for password in ("", "wrong password"):
            answer = signed_in.post(self.ADDRESS, {act: "yes", "password": password})
            assert answer.status_code == 422

    def test_person_disconnects_their_account(self, provider: Oidc, signed_in: Client) -> None:
        self.connect(signed_in, "7f3a")
        answer = signed_in.post(self.ADDRESS, {"disconnect": "yes", "password": PASSWORD})
        assert answer.status_code == 302
        assert last().action == "person.single_sign_on_disconnected"
        assert not SocialAccount.objects.exists()

    def test_account_without_a_password_stays_connected(
        self, provider: Oidc, client: Client
    ) -> None:
        oidc.sign_in(client, "7f3a")
        assert "cannot be disconnected" in words_of(client.get(self.ADDRESS))
        data = {"disconnect": "yes", "password": "any"}
        assert client.post(self.ADDRESS, data).status_code == 422
        assert SocialAccount.objects.exists()


class TestSigningInAgain:
    AGAIN = "/account/single-sign-on/again/"

    @pytest.fixture
    def signed_in(self, provider: Oidc, client: Client) -> Client:
        oidc.sign_in(client, "7f3a")
        return client

    def last_method(self, client: Client) -> Any:
        return client.session["account_authentication_methods"][-1]

    def test_provider_asks_again_and_the_session_notes_it(self, signed_in: Client) -> None:
        assert "reauthenticated" not in self.last_method(signed_in)
        address = oidc.leave(signed_in, self.AGAIN, next="/lists/")
        query = parse_qs(urlsplit(address).query)
        assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
        assert signed_in.get(oidc.agree(address, "7f3a")).headers["Location"] == "/lists/"
        noted = self.last_method(signed_in)
        assert (noted["method"], noted["reauthenticated"]) == ("socialaccount", True)

    @pytest.mark.parametrize("knows", [True, False])
    def test_another_identity_confirms_nothing(
        self, knows: bool, signed_in: Client, provider: Oidc
    ) -> None:
        provider.knows("other", **ANN | {"preferred_username": "other"})
        if knows:
            oidc.sign_in(Client(), "other")
        address = oidc.leave(signed_in, self.AGAIN)
        assert signed_in.get(oidc.agree(address, "other")).status_code == 403
        assert "reauthenticated" not in self.last_method(signed_in)
        assert last().details["reason"] == "another_account"
        assert is_signed_in(signed_in)

    def test_sign_in_of_before_confirms_nothing(self, signed_in: Client) -> None:
        address = oidc.leave(signed_in, self.AGAIN)
        session = signed_in.session
        for state, _, _ in session["socialaccount_states"].values():
            state["since"] += 3600
        session.save()
        assert signed_in.get(oidc.agree(address, "7f3a")).status_code == 401
        assert "reauthenticated" not in self.last_method(signed_in)
