"""The client's address: from the counted proxies, or not at all."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from importers.models import AuditEvent
from tests.support.pages import words_of
from tests.support.people import PASSWORD

SIGN_IN, DATA = "/account/login/", {"login": "officer", "password": PASSWORD}

pytestmark = pytest.mark.django_db


def sign_in(client: Client, forwarded_for: str | None) -> Any:
    headers = {} if forwarded_for is None else {"X-Forwarded-For": forwarded_for}
    return client.post(SIGN_IN, DATA, headers=headers, REMOTE_ADDR="127.0.0.1")


@pytest.mark.parametrize(
    ("proxies", "forwarded_for", "recorded"),
    [
        (0, None, "127.0.0.1"),
        (1, "192.0.2.7", "192.0.2.7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "192.0.2.7:50123", "192.0.2.7"),
        (2, "192.0.2.7, 10.0.0.2", "192.0.2.7"),
    ],
)
def test_trail_records_the_address_before_the_counted_proxies(
    proxies: int,
    forwarded_for: str | None,
    recorded: str,
    officer: object,
    client: Client,
    settings: Settings,
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    assert sign_in(client, forwarded_for).status_code == 302
    assert AuditEvent.objects.get().address == recorded


@pytest.mark.parametrize(
    ("proxies", "forwarded_for"),
    [
        (0, "6.6.6.6"),
        (1, None),
        (1, ""),
        (1, "6.6.6.6, 192.0.2.7"),
        (1, "unknown"),
        (2, "192.0.2.7"),
        (2, "6.6.6.6, 192.0.2.7, 10.0.0.2"),
        (2, "unknown, 10.0.0.2"),
    ],
)
def test_request_that_does_not_fit_the_proxies_is_refused(
    proxies: int,
    forwarded_for: str | None,
    officer: object,
    client: Client,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    answer = sign_in(client, forwarded_for)
    assert answer.status_code == 400
    assert "did not receive your address from its reverse proxy" in words_of(answer)
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert not AuditEvent.objects.exists()
    assert "X-Forwarded-For" in caplog.text
    assert "6.6.6.6" not in caplog.text


def test_log_names_the_two_numbers(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    sign_in(client, "192.0.2.7")
    assert "X-Forwarded-For holds 1 addresses, but TRUSTED_PROXY_COUNT is 2." in caplog.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("forwarded_for", [None, "192.0.2.7", "6.6.6.6, 192.0.2.7"])
def test_health_probe_needs_no_proxy(
    path: str, forwarded_for: str | None, client: Client, settings: Settings
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    assert client.get(path, headers=headers).status_code in (200, 503)


def test_trial_accepts_a_tool_that_forwards_its_port(client: Client, settings: Settings) -> None:
    settings.DEBUG = True
    assert client.get(SIGN_IN, headers={"X-Forwarded-For": "10.0.0.2"}).status_code == 200
