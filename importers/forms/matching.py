"""Matching ambiguous batches with importers at Persona, in one table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from importers.forwarding import decisions
from importers.models import Batch, Import

AGAIN = "again"


@dataclass(frozen=True)
class Row:
    """A batch, the importers that it may be, and what was chosen for it (an ID, AGAIN or "")."""

    batch: Batch
    candidates: list[dict[str, object]]
    name: str
    chosen: str

    @property
    def sends_again(self) -> bool:
        return self.chosen == AGAIN


class MatchingForm(forms.Form):
    """One choice for each ambiguous batch of an import; a batch without one keeps waiting."""

    def __init__(self, face_import: Import, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batches = list(decisions.ambiguous(face_import))
        self.candidates = decisions.unclaimed(self.batches)
        for number, rows in self.candidates.items():
            ids = [str(row["id"]) for row in rows]
            self.fields[self.name_of(number)] = forms.ChoiceField(
                choices=[(value, value) for value in ("", *ids, AGAIN)],
                required=False,
                error_messages={
                    "invalid_choice": f"Batch {number}: that import was matched meanwhile."
                },
            )

    @staticmethod
    def name_of(number: int) -> str:
        return f"batch-{number}"

    @property
    def choices(self) -> dict[int, str]:
        """The importer of each batch that has a choice, or "" to send it again."""
        chosen = {number: self.cleaned_data[self.name_of(number)] for number in self.candidates}
        return {number: "" if id == AGAIN else id for number, id in chosen.items() if id}

    def rows(self) -> Iterator[Row]:
        for batch in self.batches:
            name = self.name_of(batch.number)
            yield Row(batch, self.candidates[batch.number], name, self[name].value() or "")

    def clean(self) -> dict[str, Any]:
        chosen = [id for id in self.cleaned_data.values() if id and id != AGAIN]
        if len(chosen) != len(set(chosen)):
            raise forms.ValidationError("Each import at Persona can belong to one batch only.")
        if not self.errors and not any(self.cleaned_data.values()):
            raise forms.ValidationError("Choose an import for at least one batch.")
        return self.cleaned_data
