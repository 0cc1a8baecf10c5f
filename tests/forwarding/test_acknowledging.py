"""A batch that Persona could not import is acknowledged with a note; then nothing waits for it."""

import pytest

from importers.audit.actors import Actor
from importers.forwarding import control
from importers.local_persona import IMPORT, LocalPersona
from importers.models import AuditEvent, Import
from tests.support.forwarding import forward

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.fixture
def errored(sent: Import, persona: LocalPersona) -> Import:
    """Three batches, of which Persona could not import the first two."""
    persona.faults.inject("errored", times=2, where=IMPORT)
    forward()
    sent.refresh_from_db()
    assert sent.state == "needs_attention"
    return sent


def test_import_completes_with_its_last_acknowledgement(errored: Import, actor: Actor) -> None:
    first, second = errored.batches.filter(state="errored").order_by("number")
    assert control.acknowledge(first, "Photos of screens.", actor)
    errored.refresh_from_db()
    assert errored.state == "needs_attention"
    assert control.acknowledge(second, "The same.", actor)
    errored.refresh_from_db()
    assert errored.state == "completed"
    first.refresh_from_db()
    assert (first.state, first.acknowledged_by) == ("errored", "officer")
    assert first.acknowledgement == "Photos of screens."
    assert first.acknowledged_at


def test_note_stays_out_of_the_trail(errored: Import, actor: Actor) -> None:
    batch = errored.batches.filter(state="errored").earliest("number")
    control.acknowledge(batch, "Erika Mustermann", actor)
    event = AuditEvent.objects.get(action="batch.acknowledged")
    assert (event.object_type, event.object_id) == ("batch", str(batch.pk))
    assert "Mustermann" not in str(list(AuditEvent.objects.values()))


def test_batch_is_acknowledged_once(errored: Import, actor: Actor) -> None:
    batch = errored.batches.filter(state="errored").earliest("number")
    assert control.acknowledge(batch, "First.", actor)
    assert not control.acknowledge(batch, "Second.", actor)
    batch.refresh_from_db()
    assert batch.acknowledgement == "First."


@pytest.mark.parametrize("state", ["queued", "failed", "done"])
def test_only_a_batch_that_failed_at_persona_is_acknowledged(
    state: str, sent: Import, actor: Actor
) -> None:
    sent.batches.update(state=state, importer_id="") if state != "done" else None
    assert not control.acknowledge(sent.batches.earliest("number"), "Note.", actor)
    assert not AuditEvent.objects.filter(action="batch.acknowledged").exists()


def test_what_a_pause_stops_is_counted(sent: Import) -> None:
    assert control.unsent() == (3, 3, 1)
    sent.batches.filter(number=1).update(state="canceled")
    assert control.unsent() == (2, 2, 1)
    assert control.cancelable(sent) == (2, 2, 1)
