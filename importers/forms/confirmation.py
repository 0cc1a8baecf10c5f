"""The base of a form in which a person confirms who they are as they send it."""

from collections.abc import Callable
from typing import Any

from django import forms

NOT_RECENT = "Confirm first that it is you."


class ConfirmedForm(forms.Form):
    """Asks for the password last. An account without one confirms before, on another page.

    A subclass that checks more in `clean` calls this one last, because each wrong password counts
    against the account. `templates/_confirmation.html` shows the field, or the way to that page.
    """

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Enter your password."},
    )
    use_required_attribute = False

    def __init__(
        self,
        *args: Any,
        is_password: Callable[[str], bool] | None,
        is_recent: bool,
        **kwargs: Any,
    ) -> None:
        """`is_password` returns True for the person's password, or raises ValidationError.

        It is None for an account without a password, which needs `is_recent`. A view has both from
        `access.recent.confirming`.
        """
        super().__init__(*args, **kwargs)
        self._is_password, self.is_recent = is_password, is_recent
        password = self.fields.pop("password")
        if is_password:
            self.fields["password"] = password

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if not self._is_password:
            if not self.is_recent:
                self.add_error(None, NOT_RECENT)
        elif not self._is_password(cleaned["password"]):
            self.add_error("password", "This is not your password.")
        return cleaned
