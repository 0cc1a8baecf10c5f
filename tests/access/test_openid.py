"""A provider that cannot be reached or answers wrongly: a plain page, and a reason in the log."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.access.openid import Unusable, check
from importers.models import Person
from tests.support import oidc
from tests.support.oidc import DISCOVERY, Forged
from tests.support.pages import words_of
from tests.support.trail import actions

START, CALLBACK = "account_single_sign_on", "account_single_sign_on_callback"
SECRET = "a secret of this token"

pytestmark = pytest.mark.django_db


@pytest.fixture
def forged(settings: Settings) -> Iterator[Forged]:
    with Forged() as provider:
        settings.OIDC = oidc.provider(provider.url)
        yield provider


def come_back(forged: Forged, client: Client, **claims: Any) -> Any:
    """Leave for the provider and come back with an ID token of these claims."""
    query = parse_qs(urlsplit(oidc.leave(client, reverse(START))).query)
    usual = {"iss": forged.url, "aud": "consentry", "exp": time.time() + 60, "sub": "7f3a"}
    usual |= {"nonce": query["nonce"][0], "groups": ["auditors"], "preferred_username": "ann"}
    token = jwt.encode(usual | claims, "k" * 32)
    answer = {"access_token": SECRET, "token_type": "Bearer", "id_token": token}
    forged.answers.setdefault("/token", forged.answer(answer))
    forged.answers.setdefault("/userinfo", forged.answer({"sub": "7f3a"}))
    return client.get(reverse(CALLBACK), {"state": query["state"][0], "code": "c"})


def assert_failed(answer: Any, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert answer.status_code == 401
    assert "Single sign-on did not work" in words_of(answer)
    assert "_auth_user_id" not in client.session
    assert not Person.objects.exists()
    assert actions() == []
    assert "Single sign-on failed: " in caplog.text
    assert SECRET not in caplog.text


def test_sound_answers_are_accepted_and_no_proxy_is_asked(
    forged: Forged, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert come_back(forged, client).status_code == 302
    assert Person.objects.get().username == "ann"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"aud": "another client"},
        {"iss": "https://id.example.org"},
        {"exp": time.time() - 3600},
        {"sub": "somebody else"},
        {"sub": "7\x00"},
        {"sub": 7},
        {"sub": ""},
    ],
)
def test_token_for_something_else_is_refused(
    claims: dict[str, Any], forged: Forged, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    if claims.get("sub") != "somebody else":
        forged.says("/userinfo", {"sub": claims.get("sub", "7f3a")})
    assert_failed(come_back(forged, client, **claims), client, caplog)


@pytest.mark.parametrize(
    ("path", "body", "others"),
    [
        ("/token", {"error": "invalid_client", "hint": SECRET}, {"status": 401}),
        ("/token", {"id_token": SECRET}, {}),
        ("/token", {"access_token": SECRET}, {}),
        ("/token", {"access_token": SECRET, "id_token": SECRET}, {}),
        ("/token", {"access_token": SECRET, "expires_in": SECRET}, {}),
        ("/token", ["access_token", SECRET], {}),
        ("/token", b"{" + SECRET.encode(), {}),
        ("/token", {}, {"status": 302}),
        ("/userinfo", b"a signed answer", {"kind": "application/jwt"}),
        ("/userinfo", ["sub"], {}),
        ("/userinfo", {}, {}),
        ("/userinfo", {}, {"status": 403}),
    ],
)
def test_malformed_answer_gets_a_page(
    path: str,
    body: object,
    others: dict[str, Any],
    forged: Forged,
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    forged.says(path, body, **others)
    assert_failed(come_back(forged, client), client, caplog)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda forged: forged.says(DISCOVERY, forged.discovery | {"issuer": "https://id.example"}),
        lambda forged: forged.says(DISCOVERY, {"issuer": forged.url}),
        lambda forged: forged.says(DISCOVERY, [forged.url]),
        lambda forged: forged.says(DISCOVERY, b"<html>"),
        lambda forged: forged.says(DISCOVERY, forged.discovery, status=302),
        lambda forged: forged.says(DISCOVERY, forged.discovery, status=500),
        lambda forged: forged.close(),
    ],
    ids=["other issuer", "no endpoints", "list", "no JSON", "redirect", "500", "unreachable"],
)
def test_provider_that_cannot_be_asked_gets_a_page(
    spoil: Callable[[Forged], None],
    forged: Forged,
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    forged.says("/elsewhere", forged.discovery)
    spoil(forged)
    assert_failed(client.post(reverse(START)), client, caplog)


def test_person_who_cancels_can_try_again(forged: Forged, client: Client) -> None:
    query = parse_qs(urlsplit(oidc.leave(client, reverse(START), next="/lists/")).query)
    back = {"state": query["state"][0], "error": "access_denied"}
    answer = client.get(reverse(CALLBACK), back)
    assert answer.status_code == 401
    assert "Single sign-on was cancelled" in words_of(answer)
    assert "/account/login/?next=/lists/" in answer.content.decode()


@pytest.mark.parametrize("query", [{}, {"state": "unknown", "code": "c"}, {"error": SECRET}])
def test_answer_that_was_not_asked_for_is_refused_without_a_trace(
    query: dict[str, str], forged: Forged, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get(reverse(CALLBACK), query).status_code == 401
    assert "Single sign-on" not in caplog.text


def test_answer_is_used_once(forged: Forged, client: Client) -> None:
    query = parse_qs(urlsplit(oidc.leave(client, reverse(START))).query)
    back = {"state": query["state"][0], "error": "server_error"}
    assert client.get(reverse(CALLBACK), back).status_code == 401
    back = {"state": query["state"][0], "code": "c"}
    assert client.get(reverse(CALLBACK), back).status_code == 401
    assert "/token" not in forged.answers


def test_endpoints_of_a_remote_provider_use_tls(forged: Forged) -> None:
    issuer = "https://id.example.org"
    with pytest.raises(Unusable, match="authorization_endpoint is not an https address"):
        check(forged.discovery | {"issuer": issuer}, issuer)
