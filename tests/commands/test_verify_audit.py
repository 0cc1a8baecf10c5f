"""`manage.py verify_audit`: exit 0 if the trail is whole, 1 if it is broken."""

import io

from django.core.management import call_command

from importers.models import AuditEvent


def verify_audit() -> tuple[int, str, str]:
    """Return the exit code, the output and the errors, as a shell would see them."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("verify_audit", stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, out.getvalue(), err.getvalue()


def test_whole_trail_exits_0_with_its_row_count(chain: list[AuditEvent]) -> None:
    assert verify_audit() == (0, "The audit trail is intact: 5 rows.\n", "")


def test_broken_trail_exits_1_and_names_the_rows(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.filter(pk=2).update(action="other")
    AuditEvent.objects.filter(pk=4).update(details={})
    assert verify_audit() == (
        1,
        "",
        "Row 2 (other) was changed after it was written.\n"
        "Row 4 (imports.exported) was changed after it was written.\n",
    )
