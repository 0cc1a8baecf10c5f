"""The throttle of the sign-in: how many wrong passwords an account, a browser, or an address gets.

The limits are in ACCOUNT_RATE_LIMITS. Strangers share one counter for each account. A browser from
which somebody has signed in to the account holds a signed cookie that says so ("device cookie", see
owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies), and has a counter of
its own instead. So strangers get no more than the limit, and cannot lock a person out of a browser
that they use. Why that holds:

- A counter is named by what was typed as the username, in lower case as the sign-in compares it, or
  by the browser's cookie: never by a host name, a header, or anything else that the client chooses.
- A name that no account has is counted in the same way, so the answers do not tell them apart.
- An attempt is counted before its password is checked, and taken back if the password is right.
  Attempts at the same time therefore get no more checks than attempts in turn.
- The counters are in the cache table, which drops a row only once it has expired (CACHES), so a
  flood of other names or addresses removes none. What a flood leaves is small and expires within
  minutes.
- An address, or the first 64 bits of an IPv6 address, has a counter too, against one stranger who
  tries many accounts. It does not concern known browsers, which may share that address.
"""

import secrets
from datetime import timedelta
from typing import Any

from allauth.account.signals import password_changed
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac

from importers.models import Person

KNOWN_FOR = timedelta(days=90)  # after the last sign-in


def count(request: HttpRequest, username: str) -> Any:
    """Count one attempt. Return what `rollback` takes back, or None if it is one too many."""
    if browser := _known_browser(request, username):
        return _consume(request, "known_browser", browser)
    # Keyed, since what was typed as a username may be a password.
    name = salted_hmac(__name__, username.lower(), algorithm="sha256").hexdigest()
    return _consume(request, "stranger", name)


def is_worth_recording(request: HttpRequest) -> bool:
    """Return True unless the address has filled the audit trail with refusals this minute."""
    return _consume(request, "recorded") is not None


@receiver([user_logged_in, password_changed])
def recognise(request: HttpRequest, user: Person, **_: Any) -> None:
    """Let the response to this request make the browser a known one of this account."""
    request.known_browser_of = user  # type: ignore[attr-defined]


def mark_browser(request: HttpRequest, response: HttpResponseBase) -> None:
    """Give the cookie to a browser from which somebody has just proved who they are."""
    person = getattr(request, "known_browser_of", None)
    if person is None:
        return
    response.set_cookie(
        _cookie_of(person),
        _signer(person).sign(secrets.token_urlsafe(16)),
        max_age=KNOWN_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _known_browser(request: HttpRequest, username: str) -> str:
    """Return the random part of this browser's cookie for the account, or "" without a valid one.

    Looks up an account for every name, so that known ones take no longer.
    """
    person = Person.objects.filter(username__iexact=username).first() or Person()
    try:
        return _signer(person).unsign(
            request.COOKIES.get(_cookie_of(person), ""), max_age=KNOWN_FOR
        )
    except signing.BadSignature:
        return ""


def _cookie_of(person: Person) -> str:
    """Several people may use one browser, so each account has its own cookie."""
    return f"{settings.KNOWN_BROWSER_COOKIE}-{person.pk}"


def _signer(person: Person) -> signing.TimestampSigner:
    """The signature depends on the account's password, so a new password makes it void."""
    return signing.TimestampSigner(salt=f"{__name__}:{person.pk}:{person.get_session_auth_hash()}")


def _consume(request: HttpRequest, action: str, key: str | None = None) -> Any:
    return ratelimit.consume(request, app="allauth.account", action=action, key=key)
