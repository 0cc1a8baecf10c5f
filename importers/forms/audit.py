"""The filters of the audit trail. They are part of the address."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from importers.forms.fields import DateInput
from importers.models import Person
from importers.models.people import display_name
from importers.reporting import faces_seen, objects, trail
from importers.reporting.acts import GROUPS

ACTS = [
    ("", "Any act"),
    *(
        (name, [(str(action), words) for action, words in acts.items()])
        for name, acts in GROUPS.items()
    ),
]


def _people() -> list[tuple[str, str]]:
    return [
        (str(person.pk), display_name(person)) for person in Person.objects.order_by("username")
    ]


def _actors() -> list[tuple[str, Any]]:
    return [
        ("", "Anyone"),
        ("Accounts", _people()),
        ("Without an account", [*trail.OTHERS.items()]),
    ]


def _viewers() -> list[tuple[str, Any]]:
    return [("", "Anyone"), *_people()]


class ObjectField(forms.CharField):
    """An object of the trail, as its pages write it."""

    def __init__(self, *, types: tuple[str, ...] = (), example: str) -> None:
        attrs = {"placeholder": example, "autocomplete": "off", "spellcheck": "false"}
        widget = forms.TextInput(attrs=attrs | {"aria-describedby": "object-help"})
        super().__init__(required=False, max_length=200, label="Object", widget=widget)
        self.types = types

    def clean(self, value: Any) -> objects.Thing | None:
        text = super().clean(value)
        if not text:
            return None
        found = objects.find(text)
        if found is None or (self.types and found.type not in self.types):
            raise ValidationError("There is no such object.")
        return found


class TrailForm(forms.Form):
    person = forms.ChoiceField(label="Person", required=False, choices=_actors)
    action = forms.ChoiceField(label="Act", required=False, choices=ACTS)
    object = ObjectField(example="import 12")
    since = forms.DateField(label="From", required=False, widget=DateInput)
    until = forms.DateField(label="To", required=False, widget=DateInput)
    use_required_attribute = False

    def filter(self) -> trail.Filter:
        """Return the filter, without what is invalid: that is shown as an error."""
        self.is_valid()
        return trail.Filter(**_given(self.cleaned_data))


class FacesForm(forms.Form):
    person = forms.ChoiceField(label="Person", required=False, choices=_viewers)
    object = ObjectField(types=("import", "image"), example="import 12")
    since = forms.DateField(label="From", required=False, widget=DateInput)
    until = forms.DateField(label="To", required=False, widget=DateInput)
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not _given(cleaned):
            raise ValidationError("Choose a person, an import or image, or a period.")
        return cleaned

    def question(self) -> faces_seen.Question:
        return faces_seen.Question(**_given(self.cleaned_data))


def _given(cleaned: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cleaned.items() if value}
