"""A second person's decision about an import, checked before any domain call."""

from typing import Any

from django import forms

from importers.forms.confirmation import ConfirmedForm
from importers.models import Approval

Decision = Approval.Decision
CHOICES = {
    Decision.APPROVED: "Approve: the images are sent to the list",
    Decision.REFUSED: "Refuse: the import becomes a draft again, and its signature is void",
}


class DecisionForm(ConfirmedForm):
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

    def __init__(self, *args: Any, can_be_refused: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not can_be_refused:
            decision: Any = self.fields["decision"]
            decision.choices = [(Decision.APPROVED, CHOICES[Decision.APPROVED])]
            del self.fields["reason"]

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("decision") == Decision.REFUSED and not given.get("reason"):
            self.add_error("reason", "Enter why you refuse it.")
        return super().clean()
