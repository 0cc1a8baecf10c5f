"""Complete answers for each basis, and signing a draft with them."""

from datetime import UTC, date, datetime
from typing import Any

from django.http import QueryDict

from importers.audit.actors import Actor
from importers.consent import attestation, bases, statements
from importers.consent.attestation import Signature
from importers.forms import attestation_file, drafts
from importers.forwarding import submission
from importers.models import Attestation, Entry, Import, Person, Statement
from importers.models.consent import LawfulBasis

TODAY = datetime.now(UTC).date()
TERM = bases.Term(12, "").ends(TODAY)
ANSWERS: dict[str, Any] = {
    "lawful_basis": "consent",
    "jurisdictions": ["us-il"],
    "purpose": "To recognise people confirmed as fraudsters, for three years.",
    "image_source": "customer_upload",
    "evidence_reference": "FR-2026-014",
    "term_ends_on": TERM,
    "adults_only": True,
    "evidence_kind": "electronic_signature",
    "notice_version": "4.2",
    "consent_from": date(2026, 1, 5),
    "consent_to": date(2026, 3, 31),
    "withdrawal_route": "https://www.example.com/privacy",
}
ENTRY = Entry(listing_reason="confirmed_fraud")
# What is missing in the example of `import_faces --attestation-template`.
SIGNATURE: dict[str, Any] = {"typed_name": "Maya Okafor", "attested": True}


def signature(draft: Import, person: Person, entry: Entry = ENTRY, **changes: Any) -> Signature:
    """Return what the person signs who is shown the draft as it is now."""
    answers = Attestation(**{"typed_name": "Maya Okafor", **ANSWERS, **changes})
    answers.warnings = changes.get("warnings", bases.warnings(answers, TODAY))
    shown = attestation.shown_now(draft, answers, entry, person)
    return Signature(answers, entry, shown)


def publish(text: str, actor: Actor, basis: str = "consent") -> Statement:
    """Publish a new version of a statement, by somebody who saw the one in force."""
    version = statements.in_force(basis).version
    return statements.publish(basis, text, actor, based_on=version)


def sign(draft: Import, actor: Actor, **changes: Any) -> Attestation:
    """Sign a draft as it is now, without cutting batches."""
    return attestation.attest(draft, signature(draft, actor.person, **changes), actor)


def submit(draft: Import, actor: Actor, **changes: Any) -> Import:
    """Sign a draft as it is now and cut its batches."""
    submission.submit(draft, signature(draft, actor.person, **changes), actor)
    draft.refresh_from_db()
    return draft


def in_force(face_import: Import) -> Attestation:
    """Return the import's attestation that is not void."""
    return Attestation.objects.get(face_import=face_import, voided_at=None)


def typed(basis: str = "consent", **changes: Any) -> dict[str, Any]:
    """Return answers and an entry as a person types them in the form of a draft."""
    example = attestation_file.template(LawfulBasis(basis)) | changes
    ticked = {name: "on" if value is True else value for name, value in example.items()}
    return {name: value for name, value in ticked.items() if value not in (None, "", False)}


def kept(basis: str = "consent", **changes: Any) -> dict[str, list[str]]:
    """Return complete answers and an entry as a draft keeps them."""
    form = QueryDict(mutable=True)
    for name, value in typed(basis, **changes).items():
        form.setlist(name, value if isinstance(value, list) else [value])
    return drafts.as_typed(form)
