"""When an import is completed, and when it needs attention."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.polling import poll
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Import
from tests.support.attestations import submit
from tests.support.batches import import_state
from tests.support.forwarding import time_passes

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State


def test_import_completes_with_its_last_batch(
    persona: LocalPersona, make_draft: Make, known_list: FaceList, actor: Actor, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    sent = submit(make_draft(known_list, images=2), actor)
    for state in (Import.State.FORWARDING, Import.State.COMPLETED):
        send_next(Leases("the test's worker"))
        time_passes()
        poll()
        assert import_state(sent) == state
    assert AuditEvent.objects.filter(action="import.completed").count() == 1


@pytest.mark.parametrize("fault", ["unprocessable", "errored"])
@pytest.mark.parametrize("first", [True, False])
def test_import_needs_attention_if_a_batch_failed(
    persona: LocalPersona,
    make_draft: Make,
    known_list: FaceList,
    actor: Actor,
    settings: Settings,
    fault: str,
    first: bool,
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    sent = submit(make_draft(known_list, images=2), actor)
    for number in (1, 2):
        if first == (number == 1):
            persona.faults.inject(fault)
        send_next(Leases("the test's worker"))
        time_passes()
        poll()
        persona.faults.clear()
    assert import_state(sent) == Import.State.NEEDS_ATTENTION
    assert sent.batches.filter(state=State.DONE).count() == 1
    assert AuditEvent.objects.filter(action="import.needs_attention").count() == 1
