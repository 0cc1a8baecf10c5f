"""Values for every page: what the person may do, the environment, and what stops all sending."""

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from importers.access import rights
from importers.forwarding.notices import gateway_notices
from importers.gateway import environments


def persona(request: HttpRequest) -> dict[str, Any]:
    """Return all unevaluated: a fragment must not pay for what it does not use."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"password_sign_in": settings.PASSWORD_SIGN_IN}
    gateway: Any = SimpleLazyObject(environments.gateway)
    return {
        "may": SimpleLazyObject(lambda: dict.fromkeys(rights.of(request), True)),
        "gateway": gateway,
        "gateway_notices": partial(gateway_notices, gateway),
    }
