"""Decisions and void attestations differ from the audit trail: `verify_audit` says so."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from importers.audit.actors import Actor
from importers.consent import approval, seal
from importers.forwarding import assignment, batching, submission
from importers.models import Approval, Attestation, AuditEvent, FaceList, Import, Person
from tests.support.approvals import approve, guard, make_approver, refuse
from tests.support.attestations import submit
from tests.support.makers import MakeDraft

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
OTHERWISE = "The audit trail and the attestation disagree on whether it is void."
CHANGES: dict[str, Any] = {
    "decision": "approved",
    "reason": "Another.",
    "decided_by": None,  # the test creates another person
    "decided_by_username": "another",
    "decided_at": F("decided_at") + timedelta(microseconds=1),
    "decided_from": "192.0.2.1",
    "sign_in_method": "session",
    "seal": "0" * 64,
}


@pytest.fixture
def waiting(make_draft: MakeDraft, face_list: FaceList, actor: Actor) -> Import:
    return submit(make_draft(guard(face_list)), actor)


@pytest.fixture
def approver(db: None) -> Actor:
    return make_approver()


def breaks() -> list[str]:
    return [*seal.find_breaks(), *assignment.find_breaks(), *approval.find_breaks()]


def test_every_step_leaves_the_record_whole(waiting: Import, approver: Actor, actor: Actor) -> None:
    assert breaks() == []
    refuse(waiting, approver)
    waiting.files.all()[0].delete()
    assert breaks() == [], "a draft may change after its signature is void"
    submission.withdraw(submit(waiting, actor), actor)
    assert breaks() == []
    approve(submit(Import.objects.get(), actor), approver)
    assert breaks() == []
    assert [one.is_void for one in waiting.attestations.all()] == [True, True, False]


def test_every_field_of_a_decision_is_recorded() -> None:
    fields = {field.name for field in Approval._meta.concrete_fields} - {"id", "attestation"}
    assert fields == set(CHANGES)


@pytest.mark.parametrize("field", CHANGES)
def test_changed_decision_is_found(field: str, waiting: Import, approver: Actor) -> None:
    refuse(waiting, approver)
    value = CHANGES[field] or Person.objects.create_user("colleague")
    assert Approval.objects.update(**{field: value}) == 1
    assert any(f"Import {waiting.pk}: The audit trail does not hold" in one for one in breaks())


def forget(waiting: Import) -> None:
    Approval.objects.all().delete()


def revive(waiting: Import) -> None:
    Attestation.objects.update(voided_at=None, voided_by=None, void_reason="")


def edit_the_void_one(waiting: Import) -> None:
    Attestation.objects.update(purpose="Another.")


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (forget, "The audit trail holds 1 decisions about imports, but 0 are kept."),
        (revive, OTHERWISE),
        (edit_the_void_one, "The attestation was changed after it was sealed."),
    ],
)
def test_tampering_with_a_refusal_is_found(
    tampering: Callable[[Import], None], found: str, waiting: Import, approver: Actor
) -> None:
    refuse(waiting, approver)
    tampering(waiting)
    assert any(found in sentence for sentence in breaks()), breaks()


def test_attestation_made_void_without_a_decision_is_found(waiting: Import, actor: Actor) -> None:
    Attestation.objects.update(voided_at=Now(), voided_by=actor.person)
    assert breaks() == [f"Import {waiting.pk}: {OTHERWISE}"]


def test_release_without_an_approval_is_found(waiting: Import) -> None:
    waiting.move(Import.State.FORWARDING, of=(Import.State.AWAITING_APPROVAL,))
    batching.cut(waiting)
    assert f"Import {waiting.pk}: It was released without an approval." in breaks()


def test_policy_that_was_signed_cannot_be_taken_back(waiting: Import) -> None:
    Attestation.objects.update(needs_approval=False)
    assert f"Import {waiting.pk}: The attestation was changed after it was sealed." in breaks()


def test_import_has_at_most_one_attestation_in_force(waiting: Import) -> None:
    another = Attestation.objects.get()
    another.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        another.save(force_insert=True)
    assert AuditEvent.objects.filter(action="import.attested").count() == 1
