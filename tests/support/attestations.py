"""Complete answers, and signing a draft with them."""

from datetime import date

from importers.audit.actors import Actor
from importers.consent import attestation
from importers.consent.attestation import Answers
from importers.forwarding import submission
from importers.models import Attestation, Import

ANSWERS = Answers(
    lawful_basis="consent",
    jurisdictions=["us-il"],
    purpose="To recognise people confirmed as fraudsters, for three years.",
    consent_from=date(2026, 1, 5),
    consent_to=date(2026, 3, 31),
    notice_version="4.2",
    image_source="customer_upload",
    adults_only=True,
    evidence_reference="FR-2026-014",
    typed_name="Maya Okafor",
)


def sign(draft: Import, actor: Actor, answers: Answers = ANSWERS) -> Attestation:
    """Sign a draft as it is now, without cutting batches."""
    return attestation.attest(draft, answers, actor, attestation.shown_now(draft))


def submit(draft: Import, actor: Actor, answers: Answers = ANSWERS) -> Import:
    """Sign a draft as it is now and cut its batches."""
    submission.submit(draft, answers, actor, attestation.shown_now(draft))
    draft.refresh_from_db()
    return draft
