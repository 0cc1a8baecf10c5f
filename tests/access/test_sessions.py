"""Sessions: their limits, the page that lists a person's own, and ending them."""

from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection as database
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from importers.access import devices, sessions
from importers.audit.actors import OPERATOR
from importers.models import AuditEvent, Import, Person, Role
from tests.support.pages import words_of
from tests.support.people import PASSWORD, make_person
from tests.support.trail import actions

MINUTE, HOUR = 60, 60 * 60
NEW_PASSWORD = "a new password of many words"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0"

pytestmark = pytest.mark.django_db


def let_pass(client: Client, **seconds: int) -> None:
    """Move moments of the client's session into the past."""
    session = client.session
    for stamp, passed in seconds.items():
        session[stamp] -= passed
    session.save()


def used_at(client: Client) -> float:
    return float(client.session[sessions.USED_AT])


def another_client(user_agent: str = FIREFOX, address: str = "192.0.2.9") -> Client:
    """A browser elsewhere in which the officer is signed in."""
    client = Client(headers={"User-Agent": user_agent}, REMOTE_ADDR=address)
    client.post("/account/login/", {"login": "officer", "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/signed-in").status_code == 204


class TestLimits:
    @pytest.mark.parametrize(
        ("passed", "reason"),
        [
            ({"used_at": 30 * MINUTE}, "idle"),
            ({"signed_in_at": 12 * HOUR}, "limit"),
            ({"signed_in_at": 13 * HOUR, "used_at": 13 * HOUR}, "limit"),
        ],
    )
    def test_session_over_its_limit_is_ended_and_recorded(
        self, passed: dict[str, int], reason: str, signed_in: Client, officer: Person
    ) -> None:
        let_pass(signed_in, **passed)
        answer: Any = signed_in.get("/lists/")
        assert (answer.status_code, answer.url) == (302, "/account/login/?next=/lists/")
        assert not Session.objects.exists()
        event = AuditEvent.objects.latest("pk")
        assert (event.action, event.details) == ("person.session_ended", {"reason": reason})
        assert (event.actor, event.object_id) == (officer, str(officer.pk))

    def test_requests_at_the_same_time_record_one_end(
        self, signed_in: Client, officer: Person
    ) -> None:
        let_pass(signed_in, used_at=30 * MINUTE)
        both = [HttpRequest(), HttpRequest()]
        for request in both:
            request.user, request.session = officer, SessionStore(signed_in.session.session_key)
            request.META["REMOTE_ADDR"] = "192.0.2.9"
            assert request.session["used_at"]  # it has been read by now
        for request in both:
            sessions.end_if_over(request)
            assert not request.user.is_authenticated
        assert actions().count("person.session_ended") == 1

    def test_session_within_both_limits_goes_on(self, signed_in: Client) -> None:
        let_pass(signed_in, signed_in_at=12 * HOUR - MINUTE, used_at=29 * MINUTE)
        assert signed_in.get("/lists/").status_code == 200

    def test_limits_follow_the_settings(self, signed_in: Client, settings: Settings) -> None:
        settings.SESSION_IDLE_MINUTES = 5
        let_pass(signed_in, used_at=5 * MINUTE)
        assert not is_signed_in(signed_in)

    def test_poll_of_an_idle_page_leads_to_the_sign_in(
        self, signed_in: Client, sent: Import
    ) -> None:
        let_pass(signed_in, used_at=30 * MINUTE)
        answer = signed_in.get(f"/imports/{sent.pk}/progress/", headers={"HX-Request": "true"})
        assert answer.status_code == 401
        assert "/account/login/" in answer.headers["HX-Redirect"]

    @pytest.mark.parametrize(
        ("path", "is_use"),
        [
            ("/lists/", True),
            ("/imports/{}/contents/", True),
            ("/imports/{}/progress/", False),
            ("/signed-in", False),
            ("/healthz", False),
        ],
    )
    def test_only_what_a_person_asks_for_is_a_use(
        self, path: str, is_use: bool, signed_in: Client, draft: Import
    ) -> None:
        let_pass(signed_in, used_at=20 * MINUTE)
        before = used_at(signed_in)
        signed_in.get(path.format(draft.pk))
        assert (used_at(signed_in) > before) == is_use

    def test_uses_are_noted_once_a_minute(self, signed_in: Client) -> None:
        let_pass(signed_in, used_at=59)
        before = used_at(signed_in)
        signed_in.get("/lists/")
        assert used_at(signed_in) == before

    def test_use_is_stored_alone(self, signed_in: Client) -> None:
        """A request that takes long would otherwise undo what others store in the session."""
        let_pass(signed_in, used_at=MINUTE)
        with CaptureQueriesContext(database) as queries:
            signed_in.get("/lists/")
        table = Session._meta.db_table
        writes = [q["sql"] for q in queries if q["sql"].startswith(f'UPDATE "{table}"')]
        assert len(writes) == 1

    def test_session_that_is_ended_meanwhile_is_not_stored_again(
        self, signed_in: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        let_pass(signed_in, used_at=MINUTE)
        note_use = sessions.note_use

        def end_first(request: Any) -> None:
            assert request.user.is_authenticated
            Session.objects.all().delete()
            note_use(request)

        monkeypatch.setattr(sessions, "note_use", end_first)
        assert signed_in.get("/lists/").status_code == 302
        assert not Session.objects.exists()


class TestPage:
    def test_page_lists_where_the_person_is_signed_in(self, signed_in: Client) -> None:
        another_client()
        let_pass(another_client(address="192.0.2.78"), used_at=30 * MINUTE)
        colleague = make_person("colleague", Role.OFFICER)
        Client(REMOTE_ADDR="192.0.2.77").post(
            "/account/login/", {"login": colleague.username, "password": PASSWORD}
        )
        words = words_of(signed_in.get("/account/sessions/"))
        assert "Unknown device 127.0.0.1" in words
        assert "Firefox on Linux 192.0.2.9" in words
        assert "192.0.2.77" not in words  # a colleague's
        assert "192.0.2.78" not in words  # over
        assert words.count("This session") == 1

    def test_all_other_sessions_are_ended(self, signed_in: Client, officer: Person) -> None:
        others = [another_client(), another_client()]
        answer = signed_in.post("/account/sessions/", follow=True)
        assert "2 sessions ended." in words_of(answer)
        assert [is_signed_in(client) for client in (signed_in, *others)] == [True, False, False]
        event = AuditEvent.objects.latest("pk")
        assert (event.action, event.details) == ("person.sessions_ended", {"count": 2})
        assert (event.actor, event.object_id) == (officer, str(officer.pk))

    def test_one_session_is_ended(self, signed_in: Client, officer: Person) -> None:
        first, second = another_client(), another_client()
        keys = {session.key: session.pk for session in sessions.of(officer)}
        chosen = keys[str(first.session.session_key)]
        signed_in.post("/account/sessions/", {"session": chosen})
        assert [is_signed_in(client) for client in (signed_in, first, second)] == [
            True,
            False,
            True,
        ]

    def test_session_of_somebody_else_cannot_be_ended(self, signed_in: Client) -> None:
        colleague = make_person("colleague", Role.OFFICER)
        client = Client()
        client.post("/account/login/", {"login": colleague.username, "password": PASSWORD})
        (theirs,) = sessions.of(colleague)
        answer = signed_in.post("/account/sessions/", {"session": theirs.pk}, follow=True)
        assert "No other session was open." in words_of(answer)
        assert is_signed_in(client)
        assert "person.sessions_ended" not in actions()


def test_change_of_the_password_ends_the_other_sessions(signed_in: Client, officer: Person) -> None:
    other = another_client()
    new = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    signed_in.post("/account/password/", new)
    officer.refresh_from_db()
    (session,) = sessions.of(officer)
    assert session.key == signed_in.session.session_key
    assert [is_signed_in(signed_in), is_signed_in(other)] == [True, False]


def test_all_sessions_of_a_person_end_at_once(signed_in: Client, officer: Person) -> None:
    another_client()
    assert sessions.end_all(officer, OPERATOR) == 2
    assert not is_signed_in(signed_in)
    assert sessions.of(officer) == []
    assert actions()[-1] == "person.sessions_ended"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("(Windows NT 10.0; Win64) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("(Macintosh; Intel Mac OS X 10_15_7) Version/26 Safari/605.1", "Safari on macOS"),
        ("(iPhone; CPU iPhone OS 26_1 like Mac OS X) CriOS/150.0 Safari/604.1", "Chrome on iPhone"),
        ("(Linux; Android 16) Chrome/150.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.19", "Unknown device"),
    ],
)
def test_device_is_named_in_words(user_agent: str, words: str) -> None:
    assert devices.in_words(user_agent) == words
