"""A new version of a statement: its text, and the confirmation before it is published."""

import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from importers.models import Statement

MAX_CHARACTERS = 10_000


class WordingField(forms.CharField):
    """Text that readers see exactly as it is stored: nothing in it is invisible."""

    def to_python(self, value: Any) -> str:
        """Return the text without spaces at the end of a line. Raises ValidationError."""
        text = str(value or "").replace("\r\n", "\n").replace("\t", " ").strip()
        lines = [line.rstrip() for line in text.split("\n")]
        for number, line in enumerate(lines, start=1):
            if unseen := next(filter(_is_unseen, line), None):
                raise ValidationError(
                    f"Line {number} contains an invisible character (U+{ord(unseen):04X}). "
                    "Remove it."
                )
        return "\n".join(lines)


class StatementForm(forms.Form):
    """The next version, by somebody to whom version `based_on` was shown as the one in force."""

    text = WordingField(
        label="Text",
        widget=forms.Textarea(attrs={"rows": 24}),
        help_text="An empty line starts a new paragraph.",
        error_messages={"required": "Enter the text of the statement."},
    )
    based_on = forms.IntegerField(required=False)
    use_required_attribute = False

    def __init__(self, *args: Any, in_force: Statement, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].initial = in_force.text
        self._in_force = in_force

    @property
    def is_outdated(self) -> bool:
        """True if another version was published after the page was shown."""
        return self.has_error(NON_FIELD_ERRORS, "outdated")

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        if len(text) > MAX_CHARACTERS:
            raise ValidationError(
                f"The text has {len(text):,} characters. At most {MAX_CHARACTERS:,} are allowed."
            )
        if text == self._in_force.text:
            raise ValidationError(
                f"This is the text of version {self._in_force.version}, which is in force. "
                "Change it, then preview it.",
                code="unchanged",
            )
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        version = self._in_force.version
        # Somebody who publishes twice, by a double click, reads only that the text is in force.
        if cleaned.get("based_on") != version and not self.has_error("text", "unchanged"):
            outdated = (
                f"Version {version} was published after this page was shown. Your text is kept. "
                "Compare the two, then preview your text again."
            )
            self.add_error(None, ValidationError(outdated, code="outdated"))
        return cleaned


class ConfirmationForm(forms.Form):
    """What the author confirms below the preview."""

    confirmed = forms.BooleanField(
        label="This version takes effect at once, for every new signature on this basis. Anyone "
        "who is signing a draft now is asked to review it again.",
        error_messages={"required": "Select the box to publish this version."},
    )
    use_required_attribute = False


def _is_unseen(letter: str) -> bool:
    """Return True for a control, a format character, or one that is not assigned."""
    category = unicodedata.category(letter)
    return category[0] == "C" or category in ("Zl", "Zp")
