"""What a person says about batches that failed."""

from django import forms


class AcknowledgementForm(forms.Form):
    note = forms.CharField(
        label="Note",
        max_length=1000,
        error_messages={
            "required": "Enter a note.",
            "max_length": "The note is longer than 1,000 characters.",
        },
    )
    use_required_attribute = False

    @property
    def sentence(self) -> str:
        return " ".join(str(error) for error in self.errors.get("note", []))
