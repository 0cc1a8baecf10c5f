"""The address of a client behind the trusted proxies, or a refusal if nobody can know it."""

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest


class WrongProxies(SuspiciousOperation):
    """X-Forwarded-For does not fit TRUSTED_PROXY_COUNT. The text, which is logged, is ours."""


def check_proxies(request: HttpRequest) -> None:
    """Raises WrongProxies unless each trusted proxy, and nobody else, has added one address."""
    counted = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    header = request.headers.get("X-Forwarded-For", "")
    found = len(header.split(",")) if header else 0
    if found != counted:
        raise WrongProxies(
            f"X-Forwarded-For holds {found} addresses, but TRUSTED_PROXY_COUNT is {counted}."
        )
    try:
        get_adapter().get_client_ip(request)
    except PermissionDenied as error:
        raise WrongProxies("X-Forwarded-For does not begin with an address.") from error
