"""Values for every page: the Persona environment, and what stops all sending."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from importers.forwarding.notices import gateway_notices
from importers.gateway import environments


def persona(request: HttpRequest) -> dict[str, Any]:
    """Return both unevaluated: only whole pages use them, and a fragment must not pay for them."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    return {
        "gateway": SimpleLazyObject(environments.gateway),
        "gateway_notices": gateway_notices,
    }
