"""A person's own account: two pages of ours, and those of allauth in our templates."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkeys
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from importers.access import actors, recent, roles, second_factor, sign_in
from importers.access.recent import needs_recent
from importers.access.second_factor import sets_up
from importers.models.people import Method
from importers.reporting import acts

View = Callable[..., HttpResponseBase]
LAST_FACTOR = "Your role needs a second factor. Add another one before you remove this one."


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    person = actors.of(request).person
    context = {
        "roles": roles.of(person),
        "rights": [right.label for right in person.additional_rights],
        "has_password": person.has_usable_password(),
        "factors": second_factor.held_by(person),
        "events": acts.of_account(person),
    }
    return render(request, "account/index.html", context)


@sets_up
@require_safe
def second_factors(request: HttpRequest) -> HttpResponse:
    person = actors.of(request).person
    factors = second_factor.held_by(person)
    context = {
        "factors": factors,
        "app": next((one for one in factors if one.type == Method.TOTP), None),
        "passkeys": [one for one in factors if one.type == Method.PASSKEY],
        "codes_left": second_factor.recovery_codes_left(person),
        "is_required": second_factor.is_required(person),
        "is_missing": second_factor.is_missing(request),
        "is_unused": second_factor.is_unused(request),
        "may_remove": second_factor.may_remove(person),
    }
    return render(request, "mfa/index.html", context)


def _form(view: View) -> View:
    """Make what the form of a page changes, and its record, one transaction."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with transaction.atomic() if request.method == "POST" else nullcontext():
            return view(request, *args, **kwargs)

    return wrapped


def _changes_factors(view: View) -> View:
    """Have people confirm who they are, with a second factor if they have one."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if second_factor.is_unused(request):
            return redirect("mfa_index")
        return view(request, *args, **kwargs)

    return needs_recent(wrapped)


def _except_last(view: View) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if second_factor.may_remove(actors.of(request).person):
            return view(request, *args, **kwargs)
        messages.error(request, LAST_FACTOR)
        return redirect("mfa_index")

    return wrapped


@_form
def change_password(request: HttpRequest) -> HttpResponseBase:
    """Without a password there is nothing to change: an administrator makes a link to set one."""
    if not actors.of(request).person.has_usable_password():
        return redirect("account")
    if request.method == "POST":
        try:  # a wrong one counts and is recorded, as everywhere
            sign_in.is_password(request, request.POST.get("oldpassword", ""))
        except ValidationError as too_many:
            messages.error(request, " ".join(too_many.messages))
            return redirect("account_change_password")
    view = account.PasswordChangeView.as_view(success_url=reverse_lazy("account"))
    response: HttpResponseBase = view(request)
    return response


@sets_up
def confirm(request: HttpRequest) -> HttpResponseBase:
    """Ask for the password, or for what the account has instead of one."""
    if not recent.ways(request):
        return render(request, "account/sign_in_again.html")
    response: HttpResponseBase = account.reauthenticate(request)
    return response


MANAGED = {"success_url": reverse_lazy("mfa_index")}

set_password = _form(
    account.PasswordResetFromKeyView.as_view(success_url=reverse_lazy("account_login"))
)
sign_out = sets_up(account.logout)

confirm_by_code = sets_up(_form(mfa.reauthenticate))
confirm_by_passkey = sets_up(_form(passkeys.reauthenticate_webauthn))
enter_code = _form(mfa.authenticate)

add_app = sets_up(_changes_factors(_form(app.activate_totp)))
remove_app = _changes_factors(_form(_except_last(app.deactivate_totp)))

add_passkey = sets_up(_changes_factors(_form(passkeys.add_webauthn)))
rename_passkey = _changes_factors(_form(passkeys.EditWebAuthnView.as_view(**MANAGED)))
remove_passkey = _changes_factors(
    _form(_except_last(passkeys.RemoveWebAuthnView.as_view(**MANAGED)))
)

show_codes = sets_up(require_safe(_changes_factors(codes.view_recovery_codes)))
download_codes = sets_up(require_safe(_changes_factors(codes.download_recovery_codes)))
make_codes = sets_up(_changes_factors(_form(codes.generate_recovery_codes)))
