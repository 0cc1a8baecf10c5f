"""The throttle of the sign-in, through the real form: who may guess how often."""

from itertools import cycle
from typing import Any

import pytest
from allauth.core import ratelimit
from django.conf import settings as project
from django.test import Client, RequestFactory
from pytest_django import Settings

from importers.access.sign_in import is_password
from importers.models import AuditEvent, Person, Role
from tests.support.pages import words_of
from tests.support.people import PASSWORD, make_person
from tests.support.trail import actions

WRONG, NEW_PASSWORD = "wrong password, alas", "a new password of many words"
CACHE_TABLE: dict[str, Any] = project.CACHES["default"]  # the other tests replace it
HOSTS = ["faces.example.org", "faces.example.org:9000", "localhost:8000", "[::1]"]
TOO_MANY = "Too many failed login attempts."

pytestmark = pytest.mark.django_db


def sign_in(client: Client, password: str = PASSWORD, name: str = "officer", **more: Any) -> Any:
    data = {"login": name, "password": password}
    return client.post("/account/login/", data, **({"REMOTE_ADDR": "192.0.2.7"} | more))


def guess(times: int, name: str = "officer", client: Client | None = None) -> None:
    """Guess wrongly so many times, each time from another address unless it is a `client`."""
    for number in range(times):
        sign_in(client or Client(), WRONG, name, REMOTE_ADDR=f"198.51.100.{number}")


def is_refused(answer: Any) -> bool:
    return answer.status_code == 200 and TOO_MANY in words_of(answer)


@pytest.fixture
def known(officer: Person) -> Client:
    """A browser from which the officer has signed in before."""
    client = Client()
    assert sign_in(client).status_code == 302
    client.post("/account/logout/")
    return client


def cookie_of(client: Client, person: Person) -> Any:
    return client.cookies[f"known-browser-{person.pk}"]


@pytest.mark.on_both_databases
def test_guesses_are_limited_and_leave_the_owner_able_to_sign_in(
    officer: Person, known: Client, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "faces.example.org", "localhost", "127.0.0.1", "[::1]"]
    few_rows = CACHE_TABLE["OPTIONS"] | {"MAX_ENTRIES": 10}
    settings.CACHES = {"default": CACHE_TABLE | {"OPTIONS": few_rows}}
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    names = cycle(["officer", "OFFICER", "", "", ""])
    for number, name, host in zip(range(200), names, cycle(HOSTS), strict=False):
        address = f"203.0.113.{number}" if number % 2 else f"2001:db8:0:{number:x}::1"
        headers = {"X-Forwarded-For": address}
        sign_in(Client(), WRONG, name or f"somebody {number}", headers=headers, HTTP_HOST=host)
    refused = AuditEvent.objects.filter(action="person.refused", object_id=officer.pk)
    assert refused.count() == 5
    from_the_guesser = {"X-Forwarded-For": "203.0.113.1"}
    assert is_refused(sign_in(Client(), headers=from_the_guesser))
    assert sign_in(known, headers=from_the_guesser).status_code == 302


def test_known_browser_has_a_limit_of_its_own(officer: Person, known: Client) -> None:
    guess(5, client=known)
    assert is_refused(sign_in(known))
    assert sign_in(Client()).status_code == 302


def test_confirmation_of_the_password_counts_with_the_sign_ins(
    officer: Person, known: Client
) -> None:
    request = RequestFactory().post("/")
    request.user = officer
    request.COOKIES = {name: cookie.value for name, cookie in known.cookies.items()}
    assert not any(is_password(request, WRONG) for _ in range(5))
    assert is_refused(sign_in(known))


def test_known_browser_is_not_limited_with_the_others_at_its_address(known: Client) -> None:
    for number in range(11):
        sign_in(Client(), WRONG, f"somebody {number}")
    assert is_refused(sign_in(Client()))
    assert sign_in(known).status_code == 302


def test_browser_is_known_for_one_account_only(officer: Person, known: Client) -> None:
    colleague = make_person("colleague", Role.OFFICER)
    known.cookies[f"known-browser-{colleague.pk}"] = cookie_of(known, officer).value
    guess(5, "colleague")
    assert is_refused(sign_in(known, name="colleague"))


def test_two_people_may_share_a_known_browser(officer: Person, known: Client) -> None:
    make_person("colleague", Role.OFFICER)
    sign_in(known, name="colleague")
    known.post("/account/logout/")
    guess(5)
    guess(5, "colleague")
    assert sign_in(known).status_code == 302


def test_new_password_makes_known_browsers_strangers(officer: Person, known: Client) -> None:
    officer.set_password(NEW_PASSWORD)
    officer.save()
    guess(5)
    assert is_refused(sign_in(known, NEW_PASSWORD))


def test_browser_in_which_the_password_is_changed_stays_known(
    officer: Person, known: Client
) -> None:
    sign_in(known)
    new = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    known.post("/account/password/", new)
    known.post("/account/logout/")
    guess(5)
    assert sign_in(known, NEW_PASSWORD).status_code == 302


def test_refused_sign_in_makes_no_browser_known(officer: Person) -> None:
    client = Client()
    sign_in(client, WRONG)
    assert not any(name.startswith("known-browser") for name in client.cookies)


def test_cookie_of_a_known_browser_is_out_of_reach_of_scripts(
    officer: Person, known: Client, settings: Settings
) -> None:
    cookie = cookie_of(known, officer)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (cookie["secure"], cookie["domain"]) == ("", "")
    assert cookie["max-age"] == 90 * 24 * 60 * 60
    settings.SESSION_COOKIE_SECURE = True
    sign_in(known)
    assert cookie_of(known, officer)["secure"] is True


def test_unknown_name_is_answered_like_a_known_one(officer: Person) -> None:
    def answers(name: str) -> list[tuple[int, str]]:
        all_of_them = [sign_in(Client(), WRONG, name, REMOTE_ADDR=name) for _ in range(7)]
        return [(answer.status_code, words_of(answer)) for answer in all_of_them]

    assert answers("officer") == answers("stranger")


def test_right_password_does_not_count(officer: Person) -> None:
    assert {sign_in(Client()).status_code for _ in range(6)} == {302}


def test_one_address_gets_ten_guesses_and_few_rows(officer: Person) -> None:
    for number in range(31):
        address = f"2001:db8:0:1::{number:x}"
        sign_in(Client(), WRONG, f"somebody {number}", REMOTE_ADDR=address)
    assert actions().count("person.refused") == 10
    assert actions().count("person.throttled") == 20


def test_codes_of_the_second_factor_are_limited_for_each_account(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    def enter(number: int) -> bool:
        request = RequestFactory().post(
            "/", REMOTE_ADDR=f"192.0.2.{number}", HTTP_HOST=f"h{number}"
        )
        return bool(ratelimit.consume(request, action="login_failed", key="mfa-auth-user-1"))

    assert [enter(number) for number in range(7)] == [True] * 5 + [False] * 2
