"""How a person signed in, in words."""

import time
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory

from importers.access import methods
from importers.models import Attestation, Person


@pytest.fixture
def request_of(rf: RequestFactory, officer: Person) -> Any:
    request: Any = rf.get("/")
    request.session, request.user = SessionStore(), officer
    return request


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], ""),
        ([{"method": "password"}, {"method": "password", "reauthenticated": True}], "password"),
        (
            [{"method": "password"}, {"method": "mfa", "type": "totp"}],
            "password, authenticator app",
        ),
        ([{"method": "mfa", "type": "webauthn", "passwordless": True}], "passkey"),
        ([{"method": "mfa", "type": "recovery_codes"}], "recovery code"),
        ([{"method": "socialaccount", "provider": "https://id.example"}], "single sign-on"),
    ],
)
def test_methods_are_named_once(records: list[dict[str, Any]], words: str, request_of: Any) -> None:
    for record in records:
        record_authentication(request_of, request_of.user, **record)
    assert methods.in_words(request_of) == words


def test_sign_in_at_a_provider_proves_nothing_now(request_of: Any) -> None:
    """Its session there may be hours old; only a confirmation asked for the password again."""
    record_authentication(request_of, request_of.user, "socialaccount")
    assert methods.latest(request_of) == 0
    record_authentication(request_of, request_of.user, "socialaccount", reauthenticated=True)
    assert time.time() - methods.latest(request_of) < 60


def test_attestation_has_room_for_all_of_them(request_of: Any) -> None:
    for kind in ("totp", "recovery_codes", "webauthn"):
        record_authentication(request_of, request_of.user, "mfa", type=kind)
    for method in ("password", "socialaccount"):
        record_authentication(request_of, request_of.user, method)
    room = Attestation._meta.get_field("sign_in_method").max_length
    assert len(methods.in_words(request_of)) <= (room or 0)
