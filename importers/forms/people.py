"""Accounts: who is shown, an invitation, and what an administrator changes."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from importers.forms.fields import DateInput
from importers.models import Person, Right, Role
from importers.models.people import (
    ADDITIONAL_RIGHTS,
    NAME_MAX_LENGTH,
    AccountState,
    display_name,
)


class PeopleFilterForm(forms.Form):
    """The filters of the people. They are part of the address, so that it can be shared."""

    role = forms.ChoiceField(
        label="Role", required=False, choices=[("", "Any role"), *Role.choices]
    )
    state = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any state"), *AccountState.choices]
    )

    def chosen(self) -> dict[str, str]:
        """Return the filters in use, without what is invalid: that is shown as an error."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


class DetailsForm(forms.Form):
    """Names and address. A full name is needed to sign."""

    first_name = forms.CharField(
        label="First name",
        max_length=NAME_MAX_LENGTH,
        help_text="As the person signs.",
        error_messages={"required": "Enter the first name."},
    )
    last_name = forms.CharField(
        label="Last name",
        max_length=NAME_MAX_LENGTH,
        help_text="As the person signs.",
        error_messages={"required": "Enter the last name."},
    )
    email = forms.EmailField(
        label="Email",
        required=False,
        help_text="Optional. With a mail server, links are sent to it.",
    )
    use_required_attribute = False


class AccessForm(forms.Form):
    """Roles, additional rights and the last day."""

    roles = forms.TypedMultipleChoiceField(
        label="Roles",
        required=False,
        coerce=Role,
        choices=Role.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    rights = forms.TypedMultipleChoiceField(
        label="Additional rights",
        required=False,
        coerce=Right,
        choices=[(right.value, right.label) for right in ADDITIONAL_RIGHTS],
        widget=forms.CheckboxSelectMultiple,
        help_text="Beyond the roles, for a single task.",
    )
    ends_on = forms.DateField(
        label="Last day",
        required=False,
        widget=DateInput,
        help_text="Optional. The last day on which the account can be used (UTC).",
    )
    use_required_attribute = False

    def clean_ends_on(self) -> date | None:
        day: date | None = self.cleaned_data["ends_on"]
        if day and day < date.today() and day != self.initial.get("ends_on"):
            raise ValidationError("This day is in the past. To close an account, deactivate it.")
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned["roles"] and not cleaned["rights"]:
            self.add_error("roles", "Select at least one role or additional right.")
        return cleaned


class InvitationForm(DetailsForm, AccessForm):
    """A new account."""

    username = forms.CharField(
        label="Username",
        max_length=NAME_MAX_LENGTH,
        validators=[Person.username_validator],
        help_text="Letters, digits and @ . + - _",
        error_messages={"required": "Enter a username."},
    )


class HandoverForm(forms.Form):
    """Who continues the open drafts of a person."""

    colleague = forms.ModelChoiceField(
        queryset=Person.objects.none(),
        label="Hand over to",
        empty_label="Choose a colleague",
        error_messages={
            "required": "Choose a colleague.",
            "invalid_choice": "This colleague cannot make imports.",
        },
    )
    use_required_attribute = False

    def __init__(self, *args: Any, colleagues: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["colleague"]
        field.queryset, field.label_from_instance = colleagues, display_name
