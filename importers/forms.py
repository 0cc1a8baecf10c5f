"""What people type: checked here, in their own words, before any domain call."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.validators import RegexValidator

from importers import consent, facelists
from importers.consent import Answers, Shown
from importers.history import Filter
from importers.models import FaceList, Import
from importers.models.consent import ImageSource, Jurisdiction, LawfulBasis

PERSONA_ID = RegexValidator(
    r"^[A-Za-z0-9_-]+$", "An id has letters, digits, _ and - only, such as lst_TKqquVbHaSVYqgWh."
)


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class FaceListForm(forms.Form):
    """Which list an import goes to."""

    face_list = forms.ModelChoiceField(
        queryset=FaceList.objects.none(),
        label="Face list",
        empty_label="Choose a list",
        error_messages={
            "required": "Choose the face list that these images go to.",
            "invalid_choice": "That list is archived, or is not one of Persona's lists any more.",
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["face_list"].queryset = facelists.usable()  # type: ignore[attr-defined]


class AddListForm(forms.Form):
    persona_id = forms.CharField(
        label="List id",
        max_length=100,
        validators=[PERSONA_ID],
        help_text="From Persona's dashboard: open the list, its id begins with lst_.",
        error_messages={"required": "Give the list's id."},
    )
    name = forms.CharField(
        label="Name", max_length=200, required=False, help_text="If Persona does not tell it."
    )


class AttestationForm(forms.Form):
    """The consent behind the images. Its fields are those of `consent.Answers`, and the file of
    `import_faces --attestation` has the same."""

    lawful_basis = forms.ChoiceField(
        label="Lawful basis",
        choices=[("", "Choose the basis"), *LawfulBasis.choices],
        error_messages={"required": "Choose the lawful basis."},
    )
    jurisdictions = forms.MultipleChoiceField(
        label="Where the subjects live",
        choices=Jurisdiction.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Tick at least one place."},
    )
    purpose = forms.CharField(
        label="Specific purpose",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="As the subjects were told it, with the length of term.",
        error_messages={"required": "State the purpose that the subjects were told."},
    )
    consent_from = forms.DateField(
        label="Consent given on, or from",
        required=False,
        widget=DateInput,
        help_text="Needed where the basis is consent.",
    )
    consent_to = forms.DateField(
        label="Consent given until",
        required=False,
        widget=DateInput,
        help_text="If it was given over a period.",
    )
    notice_version = forms.CharField(
        label="Version of the notice",
        max_length=200,
        help_text="The privacy or biometric notice that the subjects were shown.",
        error_messages={"required": "Name the version of the notice that was shown."},
    )
    image_source = forms.ChoiceField(
        label="Where the images come from",
        choices=[("", "Choose the source"), *ImageSource.choices],
        error_messages={"required": "Choose where the images come from."},
    )
    evidence_reference = forms.CharField(
        label="Where the evidence is",
        max_length=500,
        help_text="A case number, folder or address under which the releases are found.",
        error_messages={"required": "Say where the evidence can be found."},
    )
    adults_only = forms.BooleanField(
        label="Every person shown is an adult",
        error_messages={"required": "Images of minors can't be sent: confirm that all are adults."},
    )
    typed_name = forms.CharField(
        label="Your full name",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Type your full name: it is your signature."},
    )
    attested = forms.BooleanField(
        label="I attest the statement above over exactly these images",
        error_messages={"required": "Tick the box to attest the statement."},
    )
    use_required_attribute = False

    def clean_typed_name(self) -> str:
        name = " ".join(self.cleaned_data["typed_name"].split())
        if sum(letter.isalpha() for letter in name) < 2 or not name.isprintable():
            raise forms.ValidationError("Type your full name, in letters.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        start, end = cleaned.get("consent_from"), cleaned.get("consent_to")
        if cleaned.get("lawful_basis") == LawfulBasis.CONSENT and not start:
            self.add_error("consent_from", "Say when the subjects consented.")
        if end and not start:
            self.add_error("consent_from", "Give the first day of the period too.")
        if start and end and end < start:
            self.add_error("consent_to", "The period ends before it begins.")
        for name, day in (("consent_from", start), ("consent_to", end)):
            if day and day > date.today() + timedelta(days=1):  # it may be tomorrow where they are
                self.add_error(name, "This day lies in the future.")
        return cleaned

    def answers(self) -> Answers:
        values = {name: self.cleaned_data[name] for name in Answers.__dataclass_fields__}
        return Answers(**values)


class ShownForm(forms.Form):
    """What the person was shown when they signed: the statement's version, images and list."""

    statement_version = forms.IntegerField()
    manifest_sha256 = forms.RegexField(r"^[0-9a-f]{64}$")
    shown_list = forms.IntegerField()

    def shown(self) -> Shown | None:
        """None where the page does not say it, or a newer statement is in force."""
        newest = consent.statement()
        if not self.is_valid() or self.cleaned_data["statement_version"] != newest.version:
            return None
        told = self.cleaned_data
        return Shown(newest, told["manifest_sha256"], told["shown_list"])


class HistoryForm(forms.Form):
    """The filters of the history. They live in the address, so a view of it can be shared."""

    q = forms.CharField(label="File name", required=False, max_length=200)
    state = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any state"), *Import.State.choices]
    )
    face_list = forms.ModelChoiceField(
        queryset=FaceList.objects.all(), label="List", required=False, empty_label="Any list"
    )
    person = forms.ModelChoiceField(
        queryset=User.objects.order_by("username"),
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
        """The filter; what could not be understood is left out of it and shown as an error."""
        self.is_valid()
        return Filter(**{name: self.cleaned_data.get(name) or None for name in self.fields})


def display_name(user: User) -> str:
    return user.get_full_name() or user.get_username()
