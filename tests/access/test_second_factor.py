"""The second factor at the sign-in: used, refused, required of some roles, and recorded."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from importers.access import people, second_factor, sessions
from importers.access.roles import assign
from importers.audit.actors import OPERATOR, Actor
from importers.models import Attestation, AuditEvent, Person, Role
from importers.models.people import Method
from tests.support.people import PASSWORD, make_person
from tests.support.second_factor import (
    code,
    enter,
    enter_code,
    give_app,
    give_passkey,
    give_recovery_codes,
)
from tests.support.trail import actions, breaks

pytestmark = pytest.mark.django_db
SET_UP = "/account/second-factor/"
HTMX, JSON = {"HX-Request": "true"}, {"Accept": "application/json"}


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.fixture
def required(settings: Settings) -> None:
    settings.MFA_REQUIRED = frozenset({"officer", "approver"})


@pytest.fixture
def proven(client: Client, officer: Person) -> Client:
    """Signed in with password and app."""
    give_app(officer)
    enter(client)
    enter_code(client, code())
    return client


def set_another_password(officer: Person) -> None:
    officer.set_password("another long password")
    officer.save()


def deactivate_and_reactivate(officer: Person) -> None:
    admin = Actor.of_user(make_person("admin"), address="", sign_in_method="")
    people.deactivate(officer, admin)
    people.reactivate(officer, admin)


def deactivate(officer: Person) -> None:
    Person.objects.filter(pk=officer.pk).update(is_active=False)


class TestSignIn:
    @pytest.mark.parametrize(
        "meanwhile", [set_another_password, deactivate, deactivate_and_reactivate]
    )
    def test_code_does_not_complete_a_sign_in_from_before(
        self, meanwhile: Callable[[Person], None], client: Client, officer: Person
    ) -> None:
        give_app(officer)
        enter(client)
        meanwhile(officer)
        enter_code(client, code())
        assert not is_signed_in(client)
        Person.objects.update(is_active=True)
        assert not is_signed_in(client)
        assert "person.signed_in" not in actions()

    def test_password_alone_does_not_sign_in(self, client: Client, officer: Person) -> None:
        give_app(officer)
        assert enter(client).url == "/account/login/code/"
        assert not is_signed_in(client)
        assert client.get("/").url == "/account/login/?next=/"  # type: ignore[attr-defined]
        assert "Second factor" in client.get("/account/login/code/").content.decode()

    def test_code_of_the_app_completes_the_sign_in(self, proven: Client) -> None:
        assert is_signed_in(proven)
        event = AuditEvent.objects.latest("pk")
        assert event.action == "person.signed_in"
        assert event.details == {"methods": ["password", "totp"]}

    def test_wrong_code_is_refused_and_recorded(self, client: Client, officer: Person) -> None:
        give_app(officer)
        enter(client)
        assert "not the right code" in enter_code(client, "00000x").content.decode()
        assert not is_signed_in(client)
        event = AuditEvent.objects.latest("pk")
        assert (event.action, event.actor_name, event.object_id, event.details) == (
            *("person.refused", "nobody", str(officer.pk)),
            {"type": "totp"},
        )

    def test_right_code_is_refused_after_too_many_wrong_ones(
        self, client: Client, officer: Person
    ) -> None:
        give_app(officer)
        enter(client)
        for _ in range(5):
            enter_code(client, "00000x")
        enter_code(client, code())
        assert not is_signed_in(client)
        assert actions()[1:] == 5 * ["person.refused"] + ["person.throttled"]
        assert breaks() == []

    def test_session_that_removed_a_factor_can_still_be_ended(
        self, proven: Client, officer: Person
    ) -> None:
        proven.post(f"{SET_UP}app/remove/")
        officer.refresh_from_db()
        assert sessions.end_all(officer, OPERATOR) == 1
        assert proven.get("/").status_code == 302

    @pytest.mark.parametrize("answer", ['{"id": 1}', "[1]"])
    def test_passkey_that_is_none_is_refused_and_recorded(
        self, answer: str, client: Client, officer: Person
    ) -> None:
        page = client.post("/account/login/passkey/", {"credential": answer}, follow=True)
        assert "This passkey was not accepted." in page.content.decode()
        assert actions() == ["person.refused"]

    def test_recovery_code_signs_in_once(self, client: Client, officer: Person) -> None:
        give_app(officer)
        one, *_ = give_recovery_codes(officer)
        for is_first in (True, False):
            enter(client)
            enter_code(client, one)
            assert is_signed_in(client) == is_first
            client.post("/account/logout/")
        used = AuditEvent.objects.get(action="person.recovery_code_used")
        assert (used.actor, used.details) == (officer, {"left": 9})
        signed_in = AuditEvent.objects.get(action="person.signed_in")
        assert signed_in.details == {"methods": ["password", "recovery_codes"]}


class TestRequired:
    def test_page_leads_to_the_set_up(self, required: None, signed_in: Client) -> None:
        for path in ("/", "/account/", "/account/password/", "/lists/"):
            assert signed_in.get(path).url == SET_UP  # type: ignore[attr-defined]
        assert "Your role needs a second factor" in signed_in.get(SET_UP).content.decode()

    def test_form_changes_nothing(self, required: None, signed_in: Client) -> None:
        assert signed_in.post("/lists/sync/").url == SET_UP  # type: ignore[attr-defined]
        assert "lists.synced" not in actions()

    def test_fragment_and_script_are_refused(self, required: None, signed_in: Client) -> None:
        fragment = signed_in.get("/", headers=HTMX)
        assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (403, SET_UP)
        answer = signed_in.post("/lists/sync/", headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_missing")

    @pytest.mark.parametrize("page", ["app/", "passkeys/add/"])
    def test_pages_that_set_one_up_are_open(
        self, page: str, required: None, signed_in: Client
    ) -> None:
        assert signed_in.get(SET_UP + page).status_code == 200
        assert signed_in.post("/account/logout/").status_code == 302

    @pytest.mark.on_both_databases
    def test_other_roles_are_not_asked(
        self, required: None, signed_in: Client, officer: Person
    ) -> None:
        assign(officer, [Role.AUDITOR])
        assert signed_in.get("/").status_code == 200
        assign(officer, [Role.AUDITOR, Role.APPROVER])
        assert signed_in.get("/").status_code == 302

    def test_single_sign_on_is_left_to_its_provider(
        self, required: None, signed_in: Client
    ) -> None:
        session = signed_in.session
        session["account_authentication_methods"] = [{"method": "socialaccount", "at": 0}]
        session.save()
        assert signed_in.get("/").status_code == 200

    def test_session_from_before_the_set_up_must_confirm(
        self, required: None, signed_in: Client, officer: Person
    ) -> None:
        give_app(officer)
        assert signed_in.get("/").url == SET_UP  # type: ignore[attr-defined]
        assert "Confirm with it to continue" in signed_in.get(SET_UP).content.decode()
        signed_in.post("/account/confirm/code/", {"code": code()})
        assert signed_in.get("/").status_code == 200

    def test_requirement_costs_no_query(
        self, proven: Client, officer: Person, settings: Settings
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                assert proven.get("/bases/").status_code == 200
            return len(captured)

        without = queries()
        settings.MFA_REQUIRED = frozenset({"officer"})
        assert queries() == without
        settings.MFA_REQUIRED = frozenset({"auditor"})
        assert queries() == without

    def test_last_one_cannot_be_removed(
        self, required: None, proven: Client, officer: Person
    ) -> None:
        app = f"{SET_UP}app/remove/"
        answer = proven.post(app, follow=True)
        assert "Add another one before you remove this one." in answer.content.decode()
        passkey = give_passkey(officer)
        proven.post(app)
        assert list(second_factor.held_by(officer)) == [passkey]
        proven.post(f"{SET_UP}passkeys/{passkey.pk}/remove/")
        assert list(second_factor.held_by(officer)) == [passkey]


class TestChanges:
    @pytest.mark.django_db(transaction=True)
    def test_set_up_counts_as_used_and_is_recorded(
        self, required: None, signed_in: Client, officer: Person
    ) -> None:
        key = signed_in.get(f"{SET_UP}app/").context["form"].secret
        answer = signed_in.post(f"{SET_UP}app/", {"code": code(key)})
        assert answer.url == f"{SET_UP}codes/"  # type: ignore[attr-defined]
        assert len(signed_in.get(answer.url).context["unused_codes"]) == 10  # type: ignore[attr-defined]
        assert signed_in.get("/").status_code == 200
        assert actions()[1:] == ["person.factor_added", "person.recovery_codes_made"]
        added = AuditEvent.objects.get(action="person.factor_added")
        assert (added.actor, added.object_id) == (officer, str(officer.pk))
        assert added.details == {"type": "totp"}
        assert key not in str(list(AuditEvent.objects.values()))

    def test_removal_is_recorded_and_ends_the_other_sessions(
        self, proven: Client, officer: Person
    ) -> None:
        one, *_ = give_recovery_codes(officer)
        other = Client()
        enter(other)
        enter_code(other, one)
        assert other.get("/").status_code == 200
        proven.post(f"{SET_UP}app/remove/")
        assert not Authenticator.objects.exists()
        assert actions()[-1] == "person.factor_removed"
        assert (other.get("/").status_code, proven.get("/").status_code) == (302, 200)

    @pytest.mark.parametrize("answer", ['{"id": 1}', "[1]"])
    def test_passkey_that_is_none_is_not_added(self, answer: str, signed_in: Client) -> None:
        signed_in.get(f"{SET_UP}passkeys/add/")
        page = signed_in.post(f"{SET_UP}passkeys/add/", {"name": "", "credential": answer})
        assert "This passkey was not accepted." in page.content.decode()
        assert not Authenticator.objects.exists()

    def test_new_recovery_codes_replace_the_old(self, proven: Client, officer: Person) -> None:
        one, *_ = give_recovery_codes(officer)
        proven.post(f"{SET_UP}codes/new/")
        shown = proven.get(f"{SET_UP}codes/download/").content.decode().split()
        assert len(shown) == 10
        assert one not in shown
        assert actions()[-1] == "person.recovery_codes_made"

    def test_passkey_is_renamed_and_removed_by_its_person_only(
        self, proven: Client, officer: Person, stranger: Person
    ) -> None:
        own, foreign = give_passkey(officer), give_passkey(stranger)
        for passkey, status in ((own, 302), (foreign, 404)):
            page = f"{SET_UP}passkeys/{passkey.pk}/"
            assert proven.post(page, {"name": "Phone"}).status_code == status
            assert proven.post(f"{page}remove/").status_code == status
        assert list(Authenticator.objects.filter(type="webauthn")) == [foreign]
        assert str(Authenticator.objects.get(pk=foreign.pk)) == "Laptop"

    def test_administrator_resets_what_a_person_lost(self, proven: Client, officer: Person) -> None:
        give_recovery_codes(officer)
        second_factor.reset(officer, OPERATOR)
        assert not Authenticator.objects.exists()
        assert proven.get("/").status_code == 302
        ended = AuditEvent.objects.latest("pk")
        assert (ended.action, ended.actor_name) == ("person.sessions_ended", "operator")
        assert actions()[-2] == "person.factor_removed"

    @pytest.mark.parametrize("page", ["app/remove/", "passkeys/add/", "codes/"])
    def test_password_alone_changes_none_that_exists(
        self, page: str, signed_in: Client, officer: Person
    ) -> None:
        """Not even in a session from before, which may be anybody's who knows the password."""
        give_app(officer)
        assert signed_in.get(SET_UP + page).url == SET_UP  # type: ignore[attr-defined]
        signed_in.post("/account/confirm/", {"password": PASSWORD})
        assert signed_in.get(SET_UP + page).url == SET_UP  # type: ignore[attr-defined]
        signed_in.post(SET_UP + page)
        assert Authenticator.objects.count() == 1

    def test_own_password_change_is_recorded_and_ends_the_other_sessions(
        self, signed_in: Client
    ) -> None:
        other = Client()
        enter(other)
        new = {"password1": f"{PASSWORD}!", "password2": f"{PASSWORD}!"}
        answer = signed_in.post("/account/password/", {"oldpassword": PASSWORD} | new)
        assert answer.url == "/account/"  # type: ignore[attr-defined]
        assert actions()[-1] == "person.password_changed"
        assert (other.get("/").status_code, signed_in.get("/").status_code) == (302, 200)


@pytest.fixture
def stranger(db: None) -> Any:
    return Person.objects.create_user("stranger")


def test_attestation_holds_the_name_of_every_method() -> None:
    longest = Attestation._meta.get_field("sign_in_method").max_length
    assert longest is not None
    assert len(", ".join(Method.labels)) <= longest


def test_key_of_the_set_up_is_a_qr_code_in_the_page(signed_in: Client) -> None:
    html = signed_in.get(f"{SET_UP}app/").content.decode()
    svg = html[html.index("<svg") : html.index("</svg>")]
    assert "style=" not in svg
    assert "data:" not in html
