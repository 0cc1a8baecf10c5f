"""The record of an import: what was said, signed and sent, as people read it."""

from collections import Counter
from datetime import date
from typing import NamedTuple

from django.db.models import Count, QuerySet

from importers.consent import approval, bases, seal
from importers.models import Approval, Attestation, Entry, Image, Import, ListingReason
from importers.models.entries import ENTRY


class Fact(NamedTuple):
    label: str
    value: object


class EntryGroup(NamedTuple):
    """An entry, without its subject, and how many images have it."""

    reason: str
    case_reference: str
    note: str
    images: int


def facts(answers: Attestation) -> list[Fact]:
    """Return the answers that the basis asks for, in the order of the form."""
    asked = bases.questions(answers.lawful_basis, answers.jurisdictions)
    return [Fact(_label(name), _value(answers, name)) for name in asked]


def entries(draft: Import, default: Entry) -> list[EntryGroup]:
    """Return the entries of the accepted images, the most frequent first."""
    accepted = draft.files.filter(state=Image.State.ACCEPTED).values_list(*ENTRY)
    counted = Counter(
        (entry.listing_reason, entry.case_reference, entry.note)
        for entry in (Entry(*row).with_default(default) for row in accepted)
    )
    return [
        EntryGroup(ListingReason(reason).label if reason else "", case, note, count)
        for (reason, case, note), count in counted.most_common()
    ]


def included(draft: Import) -> list[tuple[str, int]]:
    """Return why images are sent that the list has already, and how many for each reason."""
    rows = draft.files.filter(state=Image.State.ACCEPTED).exclude(included_because="")
    counted = rows.values_list("included_because").annotate(images=Count("pk"))
    return list(counted.order_by("-images"))


def images(face_import: Import) -> QuerySet[Image]:
    """Return the accepted images in the order of their names, each with its batch."""
    accepted = face_import.files.filter(state=Image.State.ACCEPTED)
    return accepted.select_related("batch").order_by("sort_name", "pk")


def decisions(attestation: Attestation) -> list[tuple[Approval, str]]:
    """Return the decisions about the attestation, each with whether it is in force now."""
    ended = (Import.State.COMPLETED, Import.State.CANCELED)
    has_ended = attestation.face_import.state in ended
    made = attestation.approvals.select_related("decided_by")
    return [(one, _standing(one, has_ended=has_ended)) for one in made]


def broken_seal(attestation: Attestation) -> str:
    """Return where the import differs from what was sealed, or "" if the seal is intact."""
    try:
        seal.check(attestation)
    except seal.SealBroken as broken:
        return broken.reason
    return ""


def _standing(given: Approval, *, has_ended: bool) -> str:
    if has_ended and approval.is_recorded(given):
        return "The import has ended"  # whoever approved it may have left since
    fault = approval.fault_of(given)
    return f"Not in force: {fault}" if fault else "In force"


def _label(name: str) -> str:
    return str(Attestation._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


def _value(answers: Attestation, name: str) -> object:
    display = getattr(answers, f"get_{name}_display", None)
    value = display() if display else getattr(answers, name)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, date):
        return f"{value.day} {value:%B %Y}"
    return value or "Not stated"
