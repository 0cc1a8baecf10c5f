"""After a database is restored from a backup, nothing is sent twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.control import retry
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Import, Worker
from importers.worker import jobs
from tests.support import decisions
from tests.support.attestations import submit
from tests.support.forwarding import every_image_is_there_once, forward, states_of

State = Batch.State
HOUR_AGO = timedelta(hours=1)
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.fixture
def restored(sent: Import) -> Callable[[], None]:
    """Restores the batches as they were before anything was sent."""
    rows: list[Any] = list(Batch.objects.values())

    def restore() -> None:
        for row in rows:
            Batch.objects.filter(pk=row["id"]).update(**row)
        Import.objects.update(state=Import.State.FORWARDING)
        Worker.objects.all().delete()

    return restore


def after_restore(moment: datetime | None = None) -> str:
    output = StringIO()
    backup_from = (moment or datetime.now(UTC) - HOUR_AGO).isoformat()
    call_command("after_restore", "--backup-from", backup_from, stdout=output)
    return output.getvalue()


def imported_hashes(persona: LocalPersona) -> list[str]:
    return sorted(file.sha256 for entry in persona.ledger() for file in entry.files)


def own_importer(persona: LocalPersona, batch: Batch) -> str:
    sha256 = batch.images.get().sha256
    return next(row.importer_id for row in persona.ledger() if row.files[0].sha256 == sha256)


def test_unsent_batches_get_new_keys_after_restore(persona: LocalPersona, sent: Import) -> None:
    assert "before they are sent: 3\n" in after_restore()
    assert states_of(sent) == [State.UNKNOWN] * 3
    batch = sent.batches.all()[0]
    attempt = batch.sends_in_doubt.get()
    assert attempt.settled_at
    window = attempt.settled_at - attempt.began_at
    assert HOUR_AGO <= window < HOUR_AGO + timedelta(minutes=1)
    keys = set(sent.batches.values_list("idempotency_key", flat=True))
    forward()
    assert states_of(sent) == [State.DONE] * 3
    assert every_image_is_there_once(persona, sent)
    assert keys.isdisjoint(sent.batches.values_list("idempotency_key", flat=True))


def test_batches_sent_since_backup_need_a_person(
    persona: LocalPersona, sent: Import, restored: Callable[[], None], actor: Actor
) -> None:
    forward()
    restored()
    after_restore()
    forward()
    batches = list(sent.batches.order_by("number"))
    assert [(batch.state, batch.problem) for batch in batches] == [(State.FAILED, "ambiguous")] * 3
    assert "restored from a backup" in batches[0].problem_detail
    for batch in batches:
        own = own_importer(persona, batch)
        assert own in [row["id"] for row in batch.candidates]
        decisions.decide(batch, own, actor)
    forward()
    assert states_of(sent) == [State.DONE] * 3
    assert every_image_is_there_once(persona, sent)


def test_importer_not_in_the_backup_is_not_adopted(
    persona: LocalPersona,
    make_draft: Callable[..., Import],
    known_list: FaceList,
    actor: Actor,
    restored: Callable[[], None],
    sent: Import,
) -> None:
    lost = submit(make_draft(known_list, images=1, first_seed=50), actor)
    Batch.objects.exclude(face_import=lost).update(next_attempt_at=Now() + HOUR_AGO)
    jobs.step(Leases("a worker"))
    lost.batches.update(importer_id="", state=State.CANCELED)
    restored()
    Batch.objects.filter(face_import=sent, number__gt=1).update(state=State.CANCELED)
    after_restore()
    forward()
    batch = sent.batches.get(number=1)
    assert (batch.problem, len(batch.candidates)) == ("ambiguous", 1)
    decisions.decide(batch, "", actor)
    forward()
    assert sent.batches.get(number=1).state == State.DONE
    assert len(imported_hashes(persona)) == 2


def test_retry_after_restore_starts_recovery(
    persona: LocalPersona, sent: Import, restored: Callable[[], None], actor: Actor
) -> None:
    """A person may have retried it after the backup, and Persona may have accepted it."""
    persona.faults.inject("unprocessable", times=3)
    forward()
    refused = list(Batch.objects.values())
    retry(sent, actor)
    forward()
    assert len(imported_hashes(persona)) == 3
    for row in refused:
        Batch.objects.filter(pk=row["id"]).update(**row)
    Import.objects.update(state=Import.State.NEEDS_ATTENTION)
    Worker.objects.all().delete()
    after_restore()
    assert states_of(sent) == [State.FAILED] * 3
    retry(sent, actor)
    forward()
    assert set(sent.batches.values_list("problem", flat=True)) == {"ambiguous"}
    assert len(imported_hashes(persona)) == 3


def test_restore_keeps_importing_and_canceled_batches(persona: LocalPersona, sent: Import) -> None:
    jobs.step(Leases("a worker"))
    sent.batches.filter(number=3).update(state=State.CANCELED)
    assert "before they are sent: 1\n" in after_restore()
    assert states_of(sent)[2] == State.CANCELED
    forward()
    assert states_of(sent)[0] == State.DONE


def test_restore_is_in_the_audit_trail(
    sent: Import, make_draft: Callable[..., Import], known_list: FaceList
) -> None:
    make_draft(known_list, first_seed=90)
    Import.objects.create(
        face_list=known_list, created_by=sent.created_by, state=Import.State.AWAITING_APPROVAL
    )
    moment = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    assert "Drafts, and imports that await approval: 2. Before" in after_restore(moment)
    recorded = AuditEvent.objects.get(action="database.restored").details
    assert recorded == {"backup_from": "2026-11-23 03:00:00+00:00", "batches": 3}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("yesterday", "'yesterday' is not a date and time like 2026-11-23T03:00Z"),
        ("2026-13-45T99:00Z", "is not a date and time"),
        ("2999-01-01T00:00Z", "--backup-from is in the future."),
    ],
)
def test_invalid_backup_time_is_refused(sent: Import, value: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason.replace("(", r"\(")):
        call_command("after_restore", "--backup-from", value)
    assert states_of(sent) == [State.QUEUED] * 3


def test_restore_is_refused_while_a_worker_runs(sent: Import) -> None:
    jobs.report_alive("a worker")
    with pytest.raises(CommandError, match="Stop every worker first"):
        after_restore()
    assert states_of(sent) == [State.QUEUED] * 3
