"""Sign-in: only administrators create accounts, and the audit trail records the attempts."""

from functools import cache
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.signals import password_changed
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from importers.access import actors, methods, throttle
from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import nobody
from importers.models import Person, compiled, people

BEGUN_WITH = "sign_in_begun_with"


class PersonBackend(AuthenticationBackend):  # type: ignore[misc]  # the library has no types
    """Reads the person of each request together with their rights, unless the account ended."""

    def get_user(self, user_id: int) -> Person | None:
        sql, parameters = _person_with_rights()
        person = next(iter(Person.objects.raw(sql, [*parameters, user_id])), None)
        return person if person and person.is_current else None

    def user_can_authenticate(self, user: Person) -> bool:
        return user.is_current


@cache
def _person_with_rights() -> tuple[str, list[Any]]:
    return compiled.by_key(people.with_rights(Person.objects.all()))


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_login(self, request: HttpRequest, user: Person, **options: Any) -> Any:
        """Refuse an account that has ended as one that is deactivated."""
        by_single_sign_on = "sociallogin" in (options.get("signal_kwargs") or {})
        if not (settings.PASSWORD_SIGN_IN or by_single_sign_on):
            raise PermissionDenied
        if not user.is_current:
            return self.respond_user_inactive(request, user)
        request.session[BEGUN_WITH] = user.get_session_auth_hash()
        return super().pre_login(request, user, **options)

    def login(self, request: HttpRequest, user: Person) -> None:
        """Complete a sign-in, unless the account was closed or secured since its first step."""
        begun_with = request.session.pop(BEGUN_WITH, "")
        is_same = constant_time_compare(begun_with, user.get_session_auth_hash())
        if not (is_same and user.is_current):
            raise ImmediateHttpResponse(redirect("account_login"))
        super().login(request, user)

    def get_reauthentication_methods(self, user: Person) -> list[dict[str, Any]]:
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if settings.OIDC and SocialAccount.objects.filter(user=user).exists():
            methods.append(
                {
                    "id": "single_sign_on",
                    "description": settings.OIDC.name,
                    "url": reverse("single_sign_on_again"),
                }
            )
        return methods

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt; `authenticate` takes it back if the password is right."""
        if not settings.PASSWORD_SIGN_IN and request.user.is_anonymous:
            raise PermissionDenied  # before the password, so that nobody learns if it is right
        self._login_failed_rl_usage = throttle.count(request, credentials.get("username", ""))
        if not self._login_failed_rl_usage:
            if throttle.is_worth_recording(request):
                trail.append(nobody(actors.address(request)), Action.PERSON_THROTTLED)
            raise self.validation_error("too_many_login_attempts")


def is_password(request: HttpRequest, password: str) -> bool:
    """Return True if this is the password of the person who is signed in.

    A wrong one is recorded and counts as a refused sign-in. Raises ValidationError after too many.
    """
    with context.request_context(request):
        return bool(get_adapter().reauthenticate(request.user, password))


@receiver(user_logged_in)
def record_sign_in(request: HttpRequest, user: Person, **_: Any) -> None:
    trail.append(
        actors.signing_in(request, user), Action.PERSON_SIGNED_IN, user, methods=methods.of(request)
    )


@receiver(password_changed)
def record_password_change(request: HttpRequest, user: Person, **_: Any) -> None:
    trail.append(actors.signing_in(request, user), Action.PERSON_PASSWORD_CHANGED, user)


@receiver(user_logged_out)
def record_sign_out(request: HttpRequest, user: Person | None, **_: Any) -> None:
    if user is not None:
        trail.append(actors.signing_in(request, user), Action.PERSON_SIGNED_OUT, user)


@receiver(user_login_failed)
def record_refused_sign_in(credentials: dict[str, Any], request: HttpRequest, **_: Any) -> None:
    """Record the name only if an account has it: any other may be a mistyped password."""
    tried = Person.objects.filter(username__iexact=credentials.get("username", "")).first()
    trail.append(nobody(actors.address(request)), Action.PERSON_REFUSED, tried)
