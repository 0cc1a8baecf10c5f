"""How the person of a session proved who they are: when they signed in, and again since."""

from typing import Any

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from importers.models.people import Method


def of(request: HttpRequest) -> list[Method]:
    """Return each method once, in the order of its first use."""
    return list(dict.fromkeys(map(_method, _records(request))))


def in_words(request: HttpRequest) -> str:
    return ", ".join(method.label for method in of(request))


def has_second_factor(request: HttpRequest) -> bool:
    """Return True for single sign-on too: whether it asks for one is a matter of its provider."""
    return any(method != Method.PASSWORD for method in of(request))


def latest(request: HttpRequest) -> float:
    """Return when the person last did it, in seconds since 1970, or 0.

    A provider may have signed them in without asking, so only a confirmation there counts.
    """
    asked = (
        record["at"]
        for record in _records(request)
        if _method(record) != Method.SINGLE_SIGN_ON or record.get("reauthenticated")
    )
    return max(asked, default=0.0)


def _records(request: HttpRequest) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = get_authentication_records(request, request.user)
    return records


def _method(record: dict[str, Any]) -> Method:
    return Method(record["type"] if record["method"] == "mfa" else record["method"])
