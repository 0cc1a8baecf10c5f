"""Accounts: made by an administrator alone, and every sign-in and sign-out in the audit trail."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest

from importers import audit
from importers.audit import Actor


class ClosedAccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            audit.append(Actor("nobody", address=_address(request)), "person.throttled")
            raise


@receiver(user_logged_in)
def record_sign_in(request: HttpRequest, user: Any, **_: Any) -> None:
    audit.append(_actor(request, user), "person.signed_in", user)


@receiver(user_logged_out)
def record_sign_out(request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:
        audit.append(_actor(request, user), "person.signed_out", user)


@receiver(user_login_failed)
def record_refused_sign_in(credentials: dict[str, Any], request: HttpRequest, **_: Any) -> None:
    """The name that was tried is kept only where it is an account's: it may be a password."""
    tried = User.objects.filter(username__iexact=credentials.get("username", "")).first()
    audit.append(Actor("nobody", address=_address(request)), "person.refused", tried)


def _actor(request: HttpRequest, user: Any) -> Actor:
    return Actor.of_user(user, address=_address(request), sign_in_method="")


def _address(request: HttpRequest | None) -> str:
    return get_adapter().get_client_ip(request) if request else ""
