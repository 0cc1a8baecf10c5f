"""The filters of the history."""

from typing import Any

from django import forms

from importers.forms.fields import DateInput
from importers.models import FaceList, Import, Person
from importers.models.people import display_name
from importers.reporting.history import COMPLETED_WITH_ERRORS, Filter

STATES = [
    ("", "Any state"),
    *Import.State.choices,
    (COMPLETED_WITH_ERRORS, Import.COMPLETED_WITH_ERRORS),
]


class HistoryForm(forms.Form):
    """The filters of the history. They are part of the address, so that it can be shared."""

    state = forms.ChoiceField(label="State", required=False, choices=STATES)
    face_list = forms.ModelChoiceField(
        queryset=FaceList.objects.all(), label="List", required=False, empty_label="Any list"
    )
    person = forms.ModelChoiceField(
        queryset=Person.objects.order_by("username"),
        label="Person",
        required=False,
        empty_label="Anyone",
    )
    since = forms.DateField(label="From", required=False, widget=DateInput)
    until = forms.DateField(label="To", required=False, widget=DateInput)
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].label_from_instance = display_name  # type: ignore[attr-defined]

    def filter(self) -> Filter:
        """Return the filter, without what is invalid: that is shown as an error."""
        self.is_valid()
        return Filter(**{name: self.cleaned_data.get(name) or None for name in self.fields})
