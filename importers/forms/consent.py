"""The answers that a person attests to, checked before any domain call."""

from datetime import date, timedelta
from typing import Any

from django import forms

from importers.consent.attestation import Answers, Shown
from importers.forms.fields import DateInput
from importers.models.consent import ImageSource, Jurisdiction, LawfulBasis


class AttestationForm(forms.Form):
    """The consent behind the images.

    Its fields are those of `Answers`; the file of `import_faces --attestation` has the same.
    """

    lawful_basis = forms.ChoiceField(
        label="Lawful basis",
        choices=[("", "Choose the basis"), *LawfulBasis.choices],
        error_messages={"required": "Choose the lawful basis."},
    )
    jurisdictions = forms.MultipleChoiceField(
        label="Subjects' jurisdictions",
        choices=Jurisdiction.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Select at least one jurisdiction."},
    )
    purpose = forms.CharField(
        label="Specific purpose",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="As stated to the subjects, including how long the images are kept.",
        error_messages={"required": "Enter the purpose as stated to the subjects."},
    )
    consent_from = forms.DateField(
        label="Consent given on or from",
        required=False,
        widget=DateInput,
        help_text="Required if the basis is consent.",
    )
    consent_to = forms.DateField(
        label="Consent given until",
        required=False,
        widget=DateInput,
        help_text="Only if consent was given over a period.",
    )
    notice_version = forms.CharField(
        label="Notice version",
        max_length=200,
        help_text="The privacy or biometric notice that the subjects were shown.",
        error_messages={"required": "Enter the version of the notice that was shown."},
    )
    image_source = forms.ChoiceField(
        label="Source of the images",
        choices=[("", "Choose the source"), *ImageSource.choices],
        error_messages={"required": "Choose the source of the images."},
    )
    evidence_reference = forms.CharField(
        label="Evidence location",
        max_length=500,
        help_text="A case number, folder or address where the releases are kept.",
        error_messages={"required": "Enter where the evidence is kept."},
    )
    adults_only = forms.BooleanField(
        label="Every person shown is an adult",
        error_messages={
            "required": "Confirm that every person is an adult. Minors are not allowed."
        },
    )
    typed_name = forms.CharField(
        label="Your full name",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Type your full name. It is your signature."},
    )
    attested = forms.BooleanField(
        label="I attest to the statement above for exactly these images",
        error_messages={"required": "Select the box to attest to the statement."},
    )
    use_required_attribute = False

    def clean_typed_name(self) -> str:
        name = " ".join(self.cleaned_data["typed_name"].split())
        if sum(letter.isalpha() for letter in name) < 2 or not name.isprintable():
            raise forms.ValidationError("Type your full name in letters.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        start, end = cleaned.get("consent_from"), cleaned.get("consent_to")
        if cleaned.get("lawful_basis") == LawfulBasis.CONSENT and not start:
            self.add_error("consent_from", "Enter when the subjects consented.")
        if end and not start:
            self.add_error("consent_from", "Enter the first day of the period too.")
        if start and end and end < start:
            self.add_error("consent_to", "The period ends before it starts.")
        for name, day in (("consent_from", start), ("consent_to", end)):
            if day and day > date.today() + timedelta(days=1):  # allows for the person's time zone
                self.add_error(name, "This date is in the future.")
        return cleaned

    def answers(self) -> Answers:
        values = {name: self.cleaned_data[name] for name in Answers.__dataclass_fields__}
        return Answers(**values)


class ShownForm(forms.Form):
    """The state that the page showed at signing: the statement's version, images and list."""

    statement_version = forms.IntegerField()
    manifest_sha256 = forms.RegexField(r"^[0-9a-f]{64}$")
    shown_list = forms.IntegerField()

    def shown(self) -> Shown | None:
        """Return None if the page does not say what it showed."""
        if not self.is_valid():
            return None
        given = self.cleaned_data
        return Shown(given["statement_version"], given["manifest_sha256"], given["shown_list"])
