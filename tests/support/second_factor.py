"""An authenticator app, and the sign-in with a second factor."""

import base64
import hmac
import struct
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.test import Client

from importers.models import Person
from tests.support.people import PASSWORD

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP_SECONDS = 30


def code(key: str = KEY) -> str:
    """Return what an app shows now (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // STEP_SECONDS)
    digest = hmac.new(base64.b32decode(key), counter, "sha1").digest()
    start = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"


def give_app(person: Person) -> Authenticator:
    return TOTP.activate(person, KEY).instance


def give_passkey(person: Person, name: str = "Laptop") -> Authenticator:
    """Give a passkey that nothing holds the key of."""
    return WebAuthn.add(person, name, {}).instance


def give_recovery_codes(person: Person) -> list[str]:
    codes: list[str] = RecoveryCodes.activate(person).generate_codes()
    return codes


def enter(client: Client, password: str = PASSWORD, username: str = "officer") -> Any:
    return client.post("/account/login/", {"login": username, "password": password})


def enter_code(client: Client, given: str) -> Any:
    return client.post("/account/login/code/", {"code": given})


def make_stale(client: Client) -> None:
    """Let six minutes pass since the person of the client last proved who they are."""
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 360
    session.save()
