"""Single sign-on: sending people to the provider, and what is done when they come back."""

import logging
import re
import time
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.contrib import messages
from django.db.models import TextChoices
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare, get_random_string

from importers.access import identities, openid

CLOCK_SKEW_SECONDS = 60
log = logging.getLogger(__name__)


class Purpose(TextChoices):
    """Why a person is sent to the provider."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"  # that it is still the same person, before they sign or export
    CONNECT = "connect"


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """The hooks of allauth."""

    def get_provider(self, request: HttpRequest, *_: Any, **__: Any) -> openid.Provider:
        """Return the provider of the settings; none comes from the database. Raises 404."""
        if not (app := openid.app()):
            raise Http404
        return openid.Provider(request, app=app)

    def list_providers(self, request: HttpRequest) -> list[openid.Provider]:
        return [openid.Provider(request, app=app)] if (app := openid.app()) else []

    def get_requests_session(self) -> Any:
        session = super().get_requests_session()  # with SOCIALACCOUNT_REQUESTS_TIMEOUT
        session.trust_env = False  # no proxy, and no password from a file
        session.max_redirects = 0
        return session

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: openid.Provider,
        error: str = AuthError.UNKNOWN,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        state = (extra_context or {}).get("state") or {}
        if state or exception:  # otherwise a stranger, whom we did not send to the provider
            log.warning("Single sign-on failed: %s", _reason(request, exception))
        page = "cancelled" if error == AuthError.CANCELLED else "failed"
        context = {"provider": provider, "next": state.get("next", "")}
        answer = render(request, f"socialaccount/{page}.html", context, status=401)
        raise ImmediateHttpResponse(answer)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Go on to the sign-in, unless it is refused or the person came for something else."""
        sociallogin.token = None  # only the claims are needed
        state, nonce = sociallogin.state, str(sociallogin.claims.get("nonce", ""))
        if not constant_time_compare(nonce, state["nonce"]):
            raise openid.Unusable("The ID token was not made for this sign-in.")
        if state["purpose"] == Purpose.SIGN_IN:
            return identities.admit(request, sociallogin)
        if state["purpose"] == Purpose.CONFIRM:
            _confirm(request, sociallogin)
        else:
            identities.connect(request, sociallogin)
            messages.success(request, "Single sign-on is connected to your account.")
        raise ImmediateHttpResponse(redirect(state.get("next") or "imports"))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # `identities.admit` was asked before

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: None = None) -> None:
        identities.make_account(request, sociallogin)


def provider() -> str:
    """Return the name of the provider. Raises 404 if there is none."""
    if not (app := openid.app()):
        raise Http404
    return str(app.name)


def begin(request: HttpRequest, purpose: Purpose) -> str:
    """Return the address at the provider to which the browser must go.

    Raises ImmediateHttpResponse, with a page, if the provider cannot be asked.
    """
    there, nonce = get_adapter().get_provider(request), get_random_string(32)
    parameters = {"nonce": nonce}
    if purpose == Purpose.CONFIRM:
        parameters |= {"prompt": "login", "max_age": "0"}
    kept = {"purpose": purpose, "nonce": nonce, "since": time.time(), "person": request.user.pk}
    after = get_next_redirect_url(request)
    try:
        return str(there.redirect(request, "login", after, auth_params=parameters, **kept).url)
    except OAuth2Error as error:
        page = render_authentication_error(request, there, exception=error)
        raise ImmediateHttpResponse(page) from error


def finish(request: HttpRequest) -> HttpResponse:
    """Return the answer to somebody whom the provider has sent back."""
    there = get_adapter().get_provider(request)
    view = OAuth2CallbackView.adapter_view(openid.Exchange(request, there.sub_id))
    answer: HttpResponse = view(request)
    return answer


def _confirm(request: HttpRequest, login: SocialLogin) -> None:
    """Note in the session that the same person has just signed in at the provider again."""
    when = login.claims.get("auth_time")
    if not isinstance(when, int) or when < login.state["since"] - CLOCK_SKEW_SECONDS:
        raise openid.Unusable("The provider did not ask the person to sign in again.")
    if login.user.pk is None or login.user != request.user:
        identities.refuse(request, login, "another_account")
    identity = {"provider": login.account.provider, "uid": login.account.uid}
    record_authentication(request, request.user, "socialaccount", reauthenticated=True, **identity)


def _reason(request: HttpRequest, exception: Exception | None) -> str:
    """Return what may be logged: nothing secret, and nothing that a stranger chose."""
    if exception:
        is_ours = isinstance(exception, openid.Unusable)
        return str(exception) if is_ours else type(exception).__name__
    code = re.fullmatch(r"[a-z_]{1,40}", request.GET.get("error", ""))
    return f"The provider answered {code[0]}." if code else "The provider sent no code."
