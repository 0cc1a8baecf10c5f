"""Single sign-on: the way to the provider and back, and its connection with an account."""

from functools import partial

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.decorators import rate_limit
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from importers.access import identities, sign_in, single_sign_on
from importers.access.single_sign_on import Purpose
from importers.forms.confirmation import ConfirmedForm


@login_not_required
@require_POST
@rate_limit(action="single_sign_on")  # type: ignore[untyped-decorator]  # the library has no types
def start(request: HttpRequest) -> HttpResponse:
    return _lead_on(request, Purpose.SIGN_IN)


@login_not_required
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    return single_sign_on.finish(request)


@require_http_methods(["GET", "HEAD", "POST"])
def again(request: HttpRequest) -> HttpResponse:
    """Ask the provider that the person signs in again, then go on to the page in `next`."""
    if request.method == "POST":
        return _lead_on(request, Purpose.CONFIRM)
    context = {"name": single_sign_on.provider(), "next": request.GET.get("next", "")}
    return render(request, "socialaccount/again.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def connection(request: HttpRequest) -> HttpResponse:
    """Connect single sign-on with the account, or disconnect it."""
    context = {
        "name": single_sign_on.provider(),
        "is_connected": identities.is_connected(request),
        "can_disconnect": identities.can_disconnect(request),
    }
    is_password = partial(sign_in.is_password, request)
    form = ConfirmedForm(request.POST or None, is_password=is_password, is_recent=False)
    if request.method == "POST" and form.is_valid():
        if "connect" in request.POST:
            return _lead_on(request, Purpose.CONNECT)
        identities.disconnect(request)
        messages.success(request, "Single sign-on is no longer connected to your account.")
        return redirect("socialaccount_connections")
    status = 422 if form.errors else 200
    return render(
        request, "socialaccount/connections.html", context | {"form": form}, status=status
    )


def _lead_on(request: HttpRequest, purpose: Purpose) -> HttpResponse:
    """Answer with a page that leads to the provider.

    A redirect would be blocked: `form-action 'self'` of our CSP, which keeps an injected form from
    sending a password elsewhere, also covers the redirects after a form in Chromium. To allow the
    provider there would weaken the CSP of every page.
    """
    try:
        address = single_sign_on.begin(request, purpose)
    except ImmediateHttpResponse as unreachable:
        page: HttpResponse = unreachable.response
        return page
    context = {"name": single_sign_on.provider(), "address": address}
    return render(request, "socialaccount/continue.html", context)
