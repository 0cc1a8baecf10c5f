"""A second person's decision about an import, checked before any domain call."""

from collections.abc import Callable
from typing import Any

from django import forms

from importers.models import Approval

Decision = Approval.Decision
CHOICES = {
    Decision.APPROVED: "Approve: the images are sent to the list",
    Decision.REFUSED: "Refuse: the import becomes a draft again, and its signature is void",
}


class DecisionForm(forms.Form):
    """A decision about the attestation with this `seal`, which the page showed."""

    seal = forms.CharField(required=False, widget=forms.HiddenInput)
    decision = forms.ChoiceField(
        label="Your decision",
        choices=[*CHOICES.items()],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one."},
    )
    reason = forms.CharField(
        label="Reason for a refusal",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The person who signed reads it. The record keeps it.",
    )
    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Enter your password to confirm."},
    )
    use_required_attribute = False

    def __init__(
        self, *args: Any, can_be_refused: bool, is_password: Callable[[str], bool], **kwargs: Any
    ) -> None:
        """`is_password` returns True for the person's password, or raises ValidationError."""
        super().__init__(*args, **kwargs)
        self._is_password = is_password
        if not can_be_refused:
            decision: Any = self.fields["decision"]
            decision.choices = [(Decision.APPROVED, CHOICES[Decision.APPROVED])]
            del self.fields["reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("decision") == Decision.REFUSED and not cleaned.get("reason"):
            self.add_error("reason", "Enter why you refuse it.")
        # Last, because each wrong password counts against the account.
        if not self.errors and not self._is_password(cleaned["password"]):
            self.add_error("password", "This is not your password.")
        return cleaned
