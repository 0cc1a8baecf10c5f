"""What is said about the people on the images."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms

from importers.models import Entry, ListingReason

# A tab or a newline would end a column of the manifest.
SINGLE_LINE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
PERSONAL = re.compile(r"@|^[^\W\d_]{2,}(?:[ ,.'-]+[^\W\d_]{2,})+$")


class ReferenceField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=200, required=False, **kwargs)

    def to_python(self, value: Any) -> str:
        return SINGLE_LINE.sub(" ", super().to_python(value) or "").strip()


class DefaultEntryForm(forms.Form):
    """The entry of every image that has none of its own."""

    listing_reason = forms.ChoiceField(
        label="Reason for listing",
        choices=ListingReason.choices,
        required=False,
        help_text="Why these people are on the list.",
    )
    case_reference = ReferenceField(
        label="Case reference", help_text="Required unless the basis is consent."
    )
    note = forms.CharField(
        label="Note", max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )

    use_required_attribute = False

    def entry(self) -> Entry:
        """Return the entry without what is invalid, which is shown as an error."""
        self.is_valid()
        return Entry(**{name: self.cleaned_data.get(name, "") for name in self.fields})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("listing_reason") == ListingReason.OTHER and not cleaned.get("note"):
            self.add_error("note", "Explain the reason in the note.")
        return cleaned


class EntryForm(DefaultEntryForm):
    """The entry of one image or of a selection. An empty field changes nothing."""

    listing_reason = forms.ChoiceField(
        label="Reason", choices=ListingReason.choices, required=False
    )
    case_reference = ReferenceField(label="Case")
    subject_reference = ReferenceField(
        label="Subject reference", help_text="An opaque ID of the person."
    )


class IncludeForm(forms.Form):
    """Why images are sent although the list has them already."""

    because = forms.CharField(
        label="Reason to send them again",
        max_length=500,
        error_messages={"required": "Enter why they are to be sent again."},
    )
    use_required_attribute = False


def count_personal(references: Iterable[str]) -> int:
    """Return how many references look like an e-mail address or a name."""
    return sum(PERSONAL.search(reference) is not None for reference in references)
