"""OpenID Connect at the one provider that the settings name, stricter than django-allauth.

Specification: https://openid.net/specs/openid-connect-core-1_0.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import reverse

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")


class Unusable(OAuth2Error):  # type: ignore[misc]  # the library has no types
    """The provider gave no answer, or one that cannot be used. The text, which is logged, is ours.

    allauth shows the page for such errors; its own may quote a token in their text.
    """


class Exchange(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """The requests to the provider. Every error that its answers cause is an OAuth2Error."""

    @property
    def openid_config(self) -> dict[str, Any]:
        with _reading("discovery document"):
            found: dict[str, Any] = super().openid_config
            check(found, settings.OIDC.issuer if settings.OIDC else "")
        return found

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return request.build_absolute_uri(reverse("account_single_sign_on_callback"))

    def get_access_token_data(self, *args: Any, **options: Any) -> Any:
        with _reading("answer with the tokens"):
            return super().get_access_token_data(*args, **options)

    def parse_token(self, data: Any) -> SocialToken:
        with _reading("answer with the tokens"):
            return super().parse_token(data)

    def complete_login(self, *args: Any, **options: Any) -> SocialLogin:
        with _reading("claims"):
            return super().complete_login(*args, **options)


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    """The provider. Of its claims, nothing but the issuer and the subject is stored."""

    oauth2_adapter_class = Exchange

    def sociallogin_from_response(self, request: HttpRequest, response: Any) -> SocialLogin:
        """Return the login, whose `claims` are those of the ID token and of the userinfo."""
        token, userinfo = response["id_token"], response["userinfo"]
        subject = token["sub"]
        # Core 5.3.2: otherwise the userinfo may be about somebody else.
        if not isinstance(subject, str) or userinfo["sub"] != subject:
            raise Unusable("The ID token and the userinfo have different subjects.")
        if not subject.isprintable():
            raise Unusable("The subject is not printable.")
        login = super().sociallogin_from_response(request, response)
        login.claims = userinfo | token
        return login

    def extract_extra_data(self, data: Any) -> dict[str, Any]:
        return {}

    def extract_common_fields(self, data: Any) -> dict[str, Any]:
        return {}

    def extract_email_addresses(self, data: Any) -> list[Any]:
        return []


def app() -> SocialApp | None:
    """Return the provider of the settings, as allauth describes one.

    Its identities belong to the issuer, because a subject is unique only there. People of another
    issuer never get accounts of this one.
    """
    if not (chosen := settings.OIDC):
        return None
    return SocialApp(
        provider=Provider.id,
        provider_id=chosen.issuer,
        name=chosen.name,
        client_id=chosen.client_id,
        secret=chosen.client_secret,
        settings={
            "server_url": chosen.issuer,
            "scope": list(chosen.scopes),
            "oauth_pkce_enabled": True,
        },
    )


def check(document: dict[str, Any], issuer: str) -> None:
    """Raises Unusable if the document is another issuer's, or leads to it without TLS."""
    if document["issuer"].rstrip("/") != issuer:
        raise Unusable("The discovery document names another issuer than OIDC_ISSUER.")
    for name in ENDPOINTS:
        address = document[name]
        if not address.startswith("https://") and not issuer.startswith("http://"):
            raise Unusable(f"The {name} is not an https address.")


@contextmanager
def _reading(part: str) -> Iterator[None]:
    """Turn what an absent or malformed answer causes into an error that quotes nothing from it."""
    try:
        yield
    except OAuth2Error:
        raise
    # OSError includes every error of `requests`.
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unusable(f"The {part} could not be read: {type(error).__name__}.") from None
    except ImproperlyConfigured:
        raise Unusable("The subject is too long.") from None
