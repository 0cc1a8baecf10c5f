"""The answers of an attestation, and the signature under them, checked before any domain call."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django import forms

from importers.consent import bases
from importers.consent.attestation import Shown, is_name_of
from importers.forms.confirmation import ConfirmedForm
from importers.forms.fields import DateInput
from importers.models import Attestation, Import, Person
from importers.models.consent import Article9, Jurisdiction, LawfulBasis

PAST = ("consent_from", "consent_to", "decided_on", "informed_on")
EARLIEST = date(1990, 1, 1)
LONGEST_TERM_MONTHS = 120
MISSING = {
    "purpose": "Enter the purpose.",
    "term_ends_on": "Enter the last day on which the images may be kept.",
    "evidence_reference": "Enter where the evidence is kept.",
    "evidence_kind": "Choose how the consent was recorded.",
    "notice_version": "Enter the version of the notice that was shown.",
    "consent_from": "Enter when the subjects consented.",
    "withdrawal_route": "Enter how people can withdraw their consent.",
    "law": "Enter the law and the paragraph.",
    "decided_by": "Enter who decided.",
    "decided_on": "Enter when this was decided.",
    "assessment_reference": "Enter where the assessment is kept.",
    "article_6_ground": "Choose the ground under Article 6.",
    "article_9_ground": "Choose the ground under Article 9.",
}
NOT_INFORMED = "Enter when the subjects were informed, or why they were not."


class AttestationForm(forms.ModelForm):  # type: ignore[type-arg]
    """The answers of an attestation: `instance` has those that its basis asks for, and no others.

    The file of `import_faces --attestation` has the same fields.
    """

    jurisdictions = forms.MultipleChoiceField(
        label="Subjects' jurisdictions",
        choices=Jurisdiction.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Select at least one jurisdiction."},
    )
    adults_only = forms.BooleanField(
        label="Every person shown is an adult",
        error_messages={
            "required": "Confirm that every person is an adult. Minors are not allowed."
        },
    )
    use_required_attribute = False

    class Meta:
        model = Attestation
        fields = bases.ANSWERS
        widgets = {
            "purpose": forms.Textarea(attrs={"rows": 2}),
            **dict.fromkeys((*PAST, "term_ends_on"), DateInput),
        }
        help_texts = {
            "purpose": "What the images are used for.",
            "evidence_reference": "A case number, folder or address.",
            "notice_version": "The privacy or biometric notice that the subjects were shown.",
            "evidence_kind": "On paper or electronically: both can be a written release.",
            "consent_from": "The first day, if consent was given over a period.",
            "decided_on": "The day of that decision.",
            "article_6_ground": "The ground for the processing as such.",
            "article_9_ground": "The ground for biometric data.",
            "consent_to": "Only if consent was given over a period.",
            "withdrawal_route": "A page, address or telephone number that the subjects know.",
            "law": "Such as Tex. Bus. & Com. Code 503.001(e)(3).",
            "decided_by": "Who decided that this basis applies.",
            "assessment_reference": "The number or place of the DPIA or LIA.",
            "informed_on": "When the subjects were informed of this list.",
            "not_informed_reason": "Such as GDPR Art. 14(5)(b), or an investigation under way.",
        }
        error_messages = {
            "lawful_basis": {"required": "Choose the lawful basis."},
            "image_source": {"required": "Choose the source of the images."},
            **{name: {"required": text} for name, text in MISSING.items()},
        }

    @property
    def chosen(self) -> tuple[str, list[str]]:
        """The basis and the jurisdictions as given so far, without what is not one."""
        basis = self["lawful_basis"].value() or ""
        places = [one for one in self["jurisdictions"].value() or [] if one in Jurisdiction]
        return (basis if basis in LawfulBasis else ""), places

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        basis, places = cleaned.get("lawful_basis", ""), cleaned.get("jurisdictions", [])
        asked = bases.questions(basis, places)
        for name in set(self.fields).difference(asked):
            self.errors.pop(name, None)
            cleaned[name] = None if isinstance(self.fields[name], forms.DateField) else ""
        if basis:
            self._check_asked(asked, cleaned)
            self._check_grounds(basis, asked, cleaned)
            for sentence in bases.refusals(basis, places):
                self.add_error("lawful_basis", sentence)
        self._check_days(cleaned)
        return cleaned

    def _check_asked(self, asked: Iterable[str], cleaned: dict[str, Any]) -> None:
        for name in asked:
            if name in MISSING and not cleaned.get(name) and name not in self.errors:
                self.add_error(name, MISSING[name])
        informed = {"informed_on", "not_informed_reason"}
        is_open = informed.issubset(asked) and not informed.intersection(self.errors)
        if is_open and not any(cleaned.get(name) for name in informed):
            self.add_error("informed_on", NOT_INFORMED)

    def _check_grounds(self, basis: str, asked: Iterable[str], cleaned: dict[str, Any]) -> None:
        fitting = bases.ARTICLE_9.get(LawfulBasis(basis), ())
        given = cleaned.get("article_9_ground")
        if "article_9_ground" in asked and given and given not in fitting and fitting:
            labels = " or ".join(Article9(one).label for one in fitting)
            self.add_error("article_9_ground", f"This basis needs {labels}.")

    def _check_days(self, cleaned: dict[str, Any]) -> None:
        today = date.today()
        for name in PAST:
            day = cleaned.get(name)
            if day and day > today + timedelta(days=1):  # allows for the person's time zone
                self.add_error(name, "This date is in the future.")
            elif day and day < EARLIEST:
                self.add_error(name, "This date is before 1990. Check the year.")
        start, end = cleaned.get("consent_from"), cleaned.get("consent_to")
        if start and end and end < start:
            self.add_error("consent_to", "The period ends before it starts.")
        last, longest = cleaned.get("term_ends_on"), bases.Term(LONGEST_TERM_MONTHS, "").ends(today)
        if last and last <= today:
            self.add_error("term_ends_on", "This date is not in the future.")
        elif last and last > longest:
            self.add_error("term_ends_on", "This is more than ten years ahead. Check the year.")


class SignatureForm(ConfirmedForm):
    """The signature under answers that are complete."""

    warnings = forms.MultipleChoiceField(
        label="Warnings to confirm", widget=forms.CheckboxSelectMultiple, required=False
    )
    mode = forms.ChoiceField(
        label="How the images are sent",
        choices=Import.Mode.choices,
        initial=Import.Mode.BULK,
        widget=forms.RadioSelect,
    )
    attested = forms.BooleanField(
        label="I attest to the statement above for exactly these images",
        error_messages={"required": "Select the box to attest to the statement."},
    )
    typed_name = forms.CharField(
        label="Your full name",
        max_length=301,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Type your full name. It is your signature."},
    )

    def __init__(
        self,
        *args: Any,
        person: Person,
        to_confirm: list[str],
        costs: dict[str, str],
        **kwargs: Any,
    ) -> None:
        """`costs` says for each mode what it costs."""
        super().__init__(*args, **kwargs)
        self._person = person
        confirmed = self.fields["warnings"]
        confirmed.choices = [(sentence, sentence) for sentence in to_confirm]  # type: ignore[attr-defined]
        self.fields["mode"].choices = [  # type: ignore[attr-defined]
            (mode, f"{mode.label} ({costs[mode]})") for mode in Import.Mode
        ]

    def clean_warnings(self) -> list[str]:
        given: list[str] = self.cleaned_data["warnings"]
        if len(given) < len(self.fields["warnings"].choices):  # type: ignore[attr-defined]
            raise forms.ValidationError("Confirm each warning, or go back and change the answers.")
        return given

    def clean_typed_name(self) -> str:
        return checked_name(self.cleaned_data["typed_name"], self._person)


class ShownForm(forms.Form):
    """The fields of `Shown`, which the page carries in hidden inputs."""

    account_id = forms.IntegerField()
    face_list_id = forms.IntegerField()
    statement_version = forms.IntegerField()
    answers_sha256 = forms.RegexField(r"^[0-9a-f]{64}$")
    manifest_sha256 = forms.RegexField(r"^[0-9a-f]{64}$")
    needs_approval = forms.BooleanField(required=False)

    def shown(self) -> Shown | None:
        """Return None if the page does not say what it showed."""
        return Shown(**self.cleaned_data) if self.is_valid() else None


def checked_name(typed: str, person: Person) -> str:
    """Return the name as the account has it. Raises ValidationError if another was typed."""
    name: str = person.get_full_name()
    if not name:
        raise forms.ValidationError(
            "Your account has no full name, so you cannot sign. Ask an administrator to add it."
        )
    if not is_name_of(typed, person):
        raise forms.ValidationError(f"Type your full name as your account has it: {name}.")
    return name
