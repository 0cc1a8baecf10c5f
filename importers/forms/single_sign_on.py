"""Connecting single sign-on with an account, or disconnecting it: the password confirms both."""

from collections.abc import Callable
from typing import Any

from django import forms


class ConnectionForm(forms.Form):
    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Enter your password."},
    )
    use_required_attribute = False

    def __init__(self, *args: Any, is_password: Callable[[str], bool], **kwargs: Any) -> None:
        """`is_password` returns True for the person's password, or raises ValidationError."""
        super().__init__(*args, **kwargs)
        self._is_password = is_password

    def clean_password(self) -> str:
        given: str = self.cleaned_data["password"]
        if not self._is_password(given):
            raise forms.ValidationError("This is not your password.")
        return given
