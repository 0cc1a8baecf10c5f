"""A short audit trail."""

import pytest

from importers.audit import Actor
from importers.models import AuditEvent, FaceList
from tests.support.trail import write_five_rows


@pytest.fixture
def chain(actor: Actor, face_list: FaceList) -> list[AuditEvent]:
    """Five rows."""
    return write_five_rows(actor, face_list)
