"""The forms of the second factor: allauth's, in our words. What they refuse is recorded."""

from collections.abc import Callable
from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import nobody
from importers.models import Person
from importers.models.people import Method

TOO_MANY = "too_many_login_attempts"
NOT_ACCEPTED = "This passkey was not accepted. Try again, or use another way."
LONGEST_NAME = 60


def _code(label: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True})
    return forms.CharField(label=label, max_length=20, widget=widget)


def _name() -> forms.CharField:
    return forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        help_text="Such as the device that keeps it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class SetUpAppForm(ActivateTOTPForm):  # type: ignore[misc]  # the library has no types
    code = _code("Code that the app shows")


class CodeForm(AuthenticateForm):  # type: ignore[misc]
    code = _code("Code")

    def clean_code(self) -> Any:
        return _recorded(Method.TOTP, self.user, super().clean_code)


class ConfirmByCodeForm(ReauthenticateForm):  # type: ignore[misc]
    code = _code("Code")

    def clean_code(self) -> Any:
        return _recorded(Method.TOTP, self.user, super().clean_code)


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    name = _name()
    passwordless = forms.BooleanField(
        label="Sign in with this passkey alone, without a password",
        required=False,
        initial=True,
        help_text="Not for a security key that has no PIN.",
    )

    def clean(self) -> Any:
        return _parsed(super().clean)


class RenamePasskeyForm(EditWebAuthnForm):  # type: ignore[misc]
    name = _name()


class PasskeyForm(AuthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _recorded(Method.PASSKEY, self.user, partial(_parsed, super().clean_credential))


class ConfirmByPasskeyForm(ReauthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _recorded(Method.PASSKEY, self.user, partial(_parsed, super().clean_credential))


class SignInByPasskeyForm(LoginWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _recorded(Method.PASSKEY, None, partial(_parsed, super().clean_credential))


def _parsed(clean: Callable[[], Any]) -> Any:
    """Return what the library reads from a browser's answer; it does not expect all JSON."""
    try:
        return clean()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise forms.ValidationError(NOT_ACCEPTED) from error
    except forms.ValidationError as error:
        if error.code == TOO_MANY:
            raise
        raise forms.ValidationError(NOT_ACCEPTED) from error


def _recorded(method: Method, person: Person | None, clean: Callable[[], Any]) -> Any:
    try:
        return clean()
    except forms.ValidationError as error:
        action = Action.PERSON_THROTTLED if error.code == TOO_MANY else Action.PERSON_REFUSED
        address = get_adapter().get_client_ip(context.request)
        trail.append(nobody(address), action, person, type=method)
        raise
