"""The answers of a draft: kept as typed, and checked when a person wants to sign."""

from datetime import date
from typing import Any, NamedTuple

from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from importers.consent import bases
from importers.forms.consent import AttestationForm
from importers.forms.entries import DefaultEntryForm
from importers.models import Attestation, Import

FIELDS = (*AttestationForm.base_fields, *DefaultEntryForm.base_fields)
SEVERAL = ("jurisdictions",)
# Answers that hold for one import only.
NOT_REUSED = ("term_ends_on", "adults_only")
LONGEST_ANSWER = 4000


class DraftForms(NamedTuple):
    answers: AttestationForm
    entry: DefaultEntryForm

    def are_valid(self) -> bool:
        return all([self.answers.is_valid(), self.entry.is_valid()])


def as_typed(posted: QueryDict) -> dict[str, list[str]]:
    """Return what the page holds, to be kept with the draft."""
    return {
        name: [value[:LONGEST_ANSWER].replace("\x00", "") for value in posted.getlist(name)]
        for name in FIELDS
        if any(posted.getlist(name))
    }


def reused(attestation: Attestation) -> dict[str, list[str]]:
    """Return the answers of an earlier attestation as a person would type them."""
    answers = {name: getattr(attestation, name) for name in bases.ANSWERS if name not in NOT_REUSED}
    return {
        name: value if name in SEVERAL else [str(value)] for name, value in answers.items() if value
    }


def shown(draft: Import) -> DraftForms:
    """Return the forms with what was typed so far, without judging it."""
    typed: dict[str, Any] = {
        name: values if name in SEVERAL else values[0]
        for name, values in draft.draft_answers.items()
    }
    if places := AttestationForm(initial=typed).chosen[1]:
        suggested = bases.suggested_term(places).ends(date.today())
        typed.setdefault("term_ends_on", suggested.isoformat())
    return DraftForms(AttestationForm(initial=typed), DefaultEntryForm(initial=typed))


def checked(draft: Import) -> DraftForms:
    """Return the forms with an error beside each answer that is missing or wrong."""
    typed = MultiValueDict(draft.draft_answers)
    return DraftForms(AttestationForm(typed), DefaultEntryForm(typed))
