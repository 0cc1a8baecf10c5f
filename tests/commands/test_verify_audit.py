"""`manage.py verify_audit`: exit 0 if the trail is whole, 1 if it is broken."""

import io

import pytest
from django.core.management import call_command

from importers.audit.actors import Actor
from importers.consent import seal
from importers.models import Attestation, AuditEvent, AuditHead, FaceList, Import
from tests.support.attestations import submit
from tests.support.makers import MakeDraft


def verify_audit() -> tuple[int, str, str]:
    """Return the exit code, the output and the errors, as a shell would see them."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("verify_audit", stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, out.getvalue(), err.getvalue()


def test_whole_trail_exits_0_with_its_row_count(chain: list[AuditEvent]) -> None:
    assert verify_audit() == (0, "The audit trail is intact: 5 rows, 0 seals.\n", "")


def test_broken_trail_exits_1_and_names_the_rows(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.filter(pk=2).update(action="other")
    AuditEvent.objects.filter(pk=4).update(details={})
    assert verify_audit() == (
        1,
        "",
        "Row 2 (other) was changed after it was written.\n"
        "Row 4 (imports.exported) was changed after it was written.\n",
    )


@pytest.fixture
def signed(make_draft: MakeDraft, face_list: FaceList, actor: Actor) -> Import:
    return submit(make_draft(face_list, 2), actor)


def test_sealed_import_is_intact(signed: Import) -> None:
    code, output, errors = verify_audit()
    assert (code, errors) == (0, "")
    assert output.endswith("rows, 1 seals.\n")


def test_remade_seal_exits_1(signed: Import) -> None:
    """The hash has no key, so a person with the database's password can compute it anew."""
    changed = Attestation.objects.get()
    changed.purpose = "Something else."
    changed.seal = seal.compute(changed)
    changed.save()
    sentence = f"Import {signed.pk}: The audit trail does not hold this seal.\n"
    assert verify_audit() == (1, "", sentence)


def test_wiped_trail_exits_1(signed: Import) -> None:
    AuditEvent.objects.all().delete()
    AuditHead.objects.all().delete()
    code, _, errors = verify_audit()
    assert code == 1
    assert errors.splitlines() == [
        f"Import {signed.pk}: The audit trail does not hold this seal.",
        f"Import {signed.pk}: An image's row or its batch was changed after signing.",
    ]


def test_deleted_attestation_exits_1(signed: Import) -> None:
    Attestation.objects.all().delete()
    assert verify_audit() == (1, "", f"Import {signed.pk}: The attestation is missing.\n")
