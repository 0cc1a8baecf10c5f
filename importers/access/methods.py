"""How a person signed in, in the words that the trail and attestations keep."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

WORDS = {
    "socialaccount": "single sign-on",
    "webauthn": "passkey",
    "recovery_codes": "recovery code",
}


def of(request: HttpRequest) -> str:
    """Return every method of this session once, such as `password, totp`."""
    records = get_authentication_records(request, request.user)
    return ", ".join(dict.fromkeys(map(_word, records))) or "session"


def _word(record: dict[str, Any]) -> str:
    method: str = record.get("type", "") or record["method"]  # the type of a second factor
    return WORDS.get(method, method)
