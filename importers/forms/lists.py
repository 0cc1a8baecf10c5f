"""Choosing the list that an import goes to, adding a list by its ID, and a list's policy."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from importers.lists import catalog
from importers.models import FaceList

PERSONA_ID = RegexValidator(
    r"^[A-Za-z0-9_-]+$",
    "An ID has only letters, digits, _ and -. For example: lst_TKqquVbHaSVYqgWh.",
)


class FaceListForm(forms.Form):
    """The list that an import goes to."""

    face_list = forms.ModelChoiceField(
        queryset=FaceList.objects.none(),
        label="Face list",
        empty_label="Choose a list",
        error_messages={
            "required": "Choose the face list for these images.",
            "invalid_choice": "That list is archived or no longer exists at Persona.",
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["face_list"]
        choice.queryset = catalog.usable()
        choice.label_from_instance = _name_and_policy


class AddListForm(forms.Form):
    persona_id = forms.CharField(
        label="List ID",
        max_length=100,
        validators=[PERSONA_ID],
        help_text="Open the list in Persona's dashboard. Its ID starts with lst_.",
        error_messages={"required": "Enter the list ID."},
    )
    name = forms.CharField(
        label="Name", max_length=200, required=False, help_text="Used if Persona returns no name."
    )


class PolicyForm(forms.Form):
    needs_approval = forms.BooleanField(
        label="Imports to this list are approved by a second person",
        required=False,
        help_text="An import is sent only after somebody who took no part in preparing or signing "
        "it has approved it.",
    )


def _name_and_policy(face_list: FaceList) -> str:
    policy = " (approved by a second person)" if face_list.needs_approval else ""
    return f"{face_list}{policy}"
