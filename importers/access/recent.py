"""Recent confirmation: a person proves again who they are before an act that matters."""

import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from importers.access import actors, methods, sign_in

View = Callable[..., HttpResponseBase]


def is_recent(request: HttpRequest) -> bool:
    """Return True if they signed in, or confirmed who they are, in the last five minutes."""
    return time.time() - methods.latest(request) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def needs_recent(view: View) -> View:
    """Have a person confirm who they are first. Then they get the page or the download.

    A form that comes too late is not repeated: the person returns to its page.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_recent(request):
            return view(request, *args, **kwargs)
        then = urlencode({"next": request.get_full_path()})
        return redirect(f"{reverse('account_reauthenticate')}?{then}")

    return wrapped


def ways(request: HttpRequest) -> list[dict[str, Any]]:
    """Return how the person can confirm who they are, each way with a `url` that takes `next`.

    Somebody who has none signs out and in again.
    """
    found: list[dict[str, Any]] = get_adapter().get_reauthentication_methods(request.user)
    return found


def confirming(request: HttpRequest) -> dict[str, Any]:
    """Return the arguments of a `forms.confirmation.ConfirmedForm`."""
    has_password = actors.of(request).person.has_usable_password()
    return {
        "is_password": partial(sign_in.is_password, request) if has_password else None,
        "is_recent": is_recent(request),
    }
