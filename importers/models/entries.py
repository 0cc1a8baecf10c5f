from dataclasses import dataclass

from django.db import models

ENTRY = ("subject_reference", "case_reference", "listing_reason", "note")


class ListingReason(models.TextChoices):
    """Why a person is on a list."""

    __empty__ = "Choose the reason"
    CONFIRMED_FRAUD = "confirmed_fraud", "Confirmed fraud"
    SUSPECTED_FRAUD = "suspected_fraud", "Suspected fraud"
    IDENTITY_THEFT = "identity_theft", "Identity theft or impersonation"
    ACCOUNT_TAKEOVER = "account_takeover", "Account takeover"
    MULTIPLE_ACCOUNTS = "multiple_accounts", "Several accounts of one person"
    SECURITY_INCIDENT = "security_incident", "Threat or security incident"
    LEGAL_OBLIGATION = "legal_obligation", "Required by law or an authority"
    ENROLLED = "enrolled", "Enrolled at the person's own wish"
    OTHER = "other", "Other (explain in the note)"


@dataclass(frozen=True)
class Entry:
    """What an image says about its person. Each field may be empty; none but the note has tabs."""

    subject_reference: str = ""
    case_reference: str = ""
    listing_reason: str = ""
    note: str = ""

    def with_default(self, default: "Entry") -> "Entry":
        return Entry(*(getattr(self, name) or getattr(default, name) for name in ENTRY))


class EntryFile(models.Model):
    """The rows of a CSV with entries, kept until a person applies or dismisses them.

    `rows` is a list of objects with `line`, `file` and the fields of an entry.
    """

    face_import = models.OneToOneField(
        "importers.Import", on_delete=models.CASCADE, related_name="entry_file", primary_key=True
    )
    rows = models.JSONField()

    def __str__(self) -> str:
        return f"Entries for import {self.face_import_id}"
