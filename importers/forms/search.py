"""What to search for."""

from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator
from django.db.models import Exists, OuterRef, TextChoices

from importers.models import Attestation, Person
from importers.models.consent import ImageSource, Jurisdiction, LawfulBasis
from importers.models.people import display_name
from importers.reporting.search import Query

LONGEST_TEXT = 400


def _or_any(label: str, choices: type[TextChoices]) -> list[tuple[str, str]]:
    return [("", label), *[(one.value, str(one.label)) for one in choices]]


class SearchForm(forms.Form):
    """A text and filters. It is posted, because an address ends up in logs and histories."""

    text = forms.CharField(
        label="Search for",
        required=False,
        validators=[MaxLengthValidator(LONGEST_TEXT)],  # max_length would cut a paste short
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="A SHA-256; a file name that Persona shows; the ID of a Persona importer; an "
        "import's number; a subject, case or evidence reference in full; or a file name or a part "
        "of it.",
        error_messages={
            "max_length": f"Enter at most {LONGEST_TEXT} characters.",
            "null_characters_not_allowed": "Remove the invisible NUL character from this text.",
        },
    )
    lawful_basis = forms.ChoiceField(
        label="Lawful basis",
        required=False,
        choices=_or_any("Any basis", LawfulBasis),
    )
    jurisdiction = forms.ChoiceField(
        label="Jurisdiction",
        required=False,
        choices=_or_any("Any jurisdiction", Jurisdiction),
    )
    image_source = forms.ChoiceField(
        label="Source of the images",
        required=False,
        choices=_or_any("Any source", ImageSource),
    )
    signed_by = forms.ModelChoiceField(
        queryset=Person.objects.filter(
            Exists(Attestation.objects.filter(signed_by=OuterRef("pk")))
        ).order_by("username"),
        label="Signed by",
        required=False,
        empty_label="Anyone",
    )
    with_parts = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["signed_by"].label_from_instance = display_name  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not any(cleaned[name] for name in self._criteria):
            self.add_error("text", "Enter what to search for, or choose a filter.")
        return cleaned

    @property
    def filters(self) -> list[Any]:
        """The fields beside the text."""
        return [self[name] for name in self._criteria if name != "text"]

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """The filters in use, as people read them."""
        return [
            (field.label, str(label))
            for field in self.filters
            if field.value()  # the choices of people are read from the database
            for code, label in field.field.choices
            if str(code) == field.value()
        ]

    def query(self) -> Query:
        return Query(**self.cleaned_data)

    @property
    def _criteria(self) -> list[str]:
        return [name for name in self.fields if name != "with_parts"]
