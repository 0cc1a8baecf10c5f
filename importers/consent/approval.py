"""Approval: a second person decides about exactly what was signed, before anything is sent.

The maker is never the checker: whoever created, changed or signed an import, or one that it
copies, decides nothing about it. An approval holds for as long as the person who gave it may
approve.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from importers.audit import makers, trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.consent import seal
from importers.models import Approval, Attestation, AuditEvent, Batch, Import, Person, Right
from importers.models.people import who_may

Decision = Approval.Decision
ACTIONS = {Decision.APPROVED: Action.IMPORT_APPROVED, Decision.REFUSED: Action.IMPORT_REFUSED}
FIELDS = (
    *("attestation_id", "decision", "reason", "decided_by_id", "decided_by_username"),
    *("decided_at", "decided_from", "sign_in_method", "seal"),
)


class NotApproved(Exception):
    """No approval of the import is in force; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class IsMaker(Exception):
    """The person took part in making the import."""


def is_wanted(face_import: Import) -> bool:
    """Return True if the import waits for a decision, the first or, without one in force, anew."""
    return face_import.awaits_approval or face_import.batches.not_approved().exists()


def wanted_of(imports: QuerySet[Import], person: Person) -> QuerySet[Import]:
    """Return those that wait for a decision which this person may make."""
    failed = Batch.objects.filter(face_import=OuterRef("pk")).not_approved()
    again = Q(state__in=(Import.State.FORWARDING, Import.State.NEEDS_ATTENTION)) & Q(Exists(failed))
    made = makers.acts_of(person, Cast(OuterRef("pk"), CharField()))
    wanted = imports.filter(Q(state=Import.State.AWAITING_APPROVAL) | again)
    return wanted.exclude(created_by=person).exclude(Exists(made))


def may_decide(signed: Attestation, person: Person) -> bool:
    """Return False to whoever took part in making the import."""
    named = (signed.face_import.created_by_id, signed.signed_by_id)
    made = makers.acts_of(person, str(signed.face_import_id))
    return person.pk not in named and not made.exists()


def admit(signed: Attestation, actor: Actor) -> None:
    """Raise IsMaker, and record it, if this person may not decide."""
    if not may_decide(signed, actor.person):
        trail.append(actor, Action.APPROVAL_DENIED, signed.face_import, seal=signed.seal)
        raise IsMaker


def decide(signed: Attestation, decision: Decision, actor: Actor, reason: str = "") -> None:
    """Store and record a decision. A refusal voids the attestation. Raises IsMaker.

    The caller's transaction moves the import.
    """
    if not may_decide(signed, actor.person):
        raise IsMaker
    made = Approval.objects.create(
        attestation=signed,
        decision=decision,
        reason=reason,
        decided_by=actor.person,
        decided_by_username=actor.name,
        decided_at=datetime.now(UTC),
        decided_from=actor.address,
        sign_in_method=actor.sign_in_method,
        seal=signed.seal,
    )
    if decision == Decision.REFUSED:
        _void(signed, actor, reason)
    trail.append(actor, ACTIONS[decision], signed.face_import, **_on_record(made))


def withdraw(signed: Attestation, actor: Actor) -> None:
    """Void the attestation because its makers want to change the import."""
    _void(signed, actor)
    trail.append(actor, Action.IMPORT_WITHDRAWN, signed.face_import, seal=signed.seal)


def check(signed: Attestation) -> None:
    """Raise NotApproved unless nobody needs to approve, or somebody did who may do so now."""
    if not signed.needs_approval:
        return
    given = signed.approvals.filter(decision=Decision.APPROVED).select_related("decided_by")
    faults = {one: fault_of(one) for one in given.order_by("-pk")}
    if not faults:
        raise NotApproved("A second person must approve this import, and nobody has.")
    if all(faults.values()):
        (latest, why), *_ = faults.items()
        by = latest.decided_by_username
        raise NotApproved(
            f"The approval by {by} is no longer valid: {why}. Ask for a new approval."
        )


def fault_of(given: Approval) -> str:
    """Return why an approval is not in force now, or "" if it is."""
    person = given.decided_by
    if not is_recorded(given):
        return "it is not the one that the audit trail holds"
    if not person.is_active:
        return "the account was deactivated"
    if not person.is_current:
        return "the account has ended"
    if not who_may(Right.APPROVE).filter(pk=person.pk).exists():
        return "the account may no longer approve imports"
    if not may_decide(given.attestation, person):
        return "the same person took part in making the import"
    return ""


def is_recorded(given: Approval) -> bool:
    """Return True if the audit trail holds exactly this decision, about this attestation."""
    records = _records(given.attestation, ACTIONS[Decision(given.decision)])
    by_them = records.filter(actor=given.decided_by_id)
    held = by_them.filter(details__decision_sha256=_on_record(given)["decision_sha256"])
    return given.seal == given.attestation.seal and held.exists()


def find_breaks() -> Iterator[str]:
    """Yield a sentence for each decision, or release without one, that differs from the trail."""
    for given in Approval.objects.select_related("attestation").order_by("pk").iterator():
        if not is_recorded(given):
            import_id = given.attestation.face_import_id
            yield f"Import {import_id}: The audit trail does not hold this decision: {given}."
    recorded = AuditEvent.objects.filter(action__in=ACTIONS.values()).count()
    if recorded > (kept := Approval.objects.count()):
        yield f"The audit trail holds {recorded} decisions about imports, but {kept} are kept."
    needing = Attestation.objects.filter(needs_approval=True, voided_at=None).order_by("pk")
    for signed in needing.filter(face_import__batches__number=1).iterator():
        approved = _records(signed, Action.IMPORT_APPROVED).filter(details__seal=signed.seal)
        if not approved.exists():
            yield f"Import {signed.face_import_id}: It was released without an approval."


def _void(signed: Attestation, actor: Actor, reason: str = "") -> None:
    in_force = Attestation.objects.filter(pk=signed.pk, voided_at=None)
    in_force.update(voided_at=datetime.now(UTC), voided_by=actor.person, void_reason=reason)


def _on_record(given: Approval) -> dict[str, str]:
    """Return what the trail keeps of a decision. The reason, which may name people, is hashed."""
    whole = seal.digest({name: getattr(given, name) for name in FIELDS})
    return {"seal": given.seal, "decision_sha256": whole}


def _records(signed: Attestation, action: Action) -> QuerySet[AuditEvent]:
    import_id = str(signed.face_import_id)
    return AuditEvent.objects.filter(object_type="import", object_id=import_id, action=action)
