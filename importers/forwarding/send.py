"""Sending: claim a batch, check its seal over the very bytes, send them, record the answer.

No transaction is open while Persona is called. The claim, with the key that the batch is sent
under, is committed before; a worker that dies leaves a row that says `sending`, and when its
lease has run out the same bytes go out again under the same key.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now

from importers import audit, connection, consent, facelists, images, pacing
from importers.forwarding import policy
from importers.forwarding.finish import close_import
from importers.models import Batch, Image
from importers.persona import errors
from importers.persona.client import ImageFile, Importer

log = logging.getLogger(__name__)
State = Batch.State
FIRST_POLL = timedelta(seconds=2)


def send_next(owner: str) -> bool:
    """Sends the batch that is due first, if there is one and our share allows; whether it did."""
    where = connection.environment()
    if not Batch.objects.of_environment(where).to_send().exists() or pacing.take(where):
        return False
    batch = claim(owner)
    if batch is None:
        return False
    _send(batch)
    return True


def claim(owner: str) -> Batch | None:
    """Takes the lease on the batch that is due first; None where there is none to take."""
    with transaction.atomic():
        due = Batch.objects.of_environment(connection.environment()).to_send()
        if database.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        batch = due.first()
        if batch is None or not batch.lend(owner, pacing.after(lease())):
            return None
        return Batch.objects.select_related("face_import__face_list").get(pk=batch.pk)


def lease() -> timedelta:
    """Longer than a send can take: connecting, sending and the whole answer."""
    return timedelta(seconds=2 * settings.PERSONA_TIMEOUT_SECONDS + 30)


def _send(batch: Batch) -> None:
    if _key_is_too_old(batch):
        sentence = (
            "It was sent without an answer, and too long ago for Persona to still know its key: "
            "sending it again could import it twice."
        )
        _record_failure(batch, policy.Step(State.FAILED, "uncertain", sentence))
        return
    try:
        files = _sealed_files(batch)
    except consent.SealBroken as broken:
        _record_failure(batch, policy.Step(State.FAILED, "seal_broken", broken.reason))
        return
    try:
        importer = connection.persona(batch).import_faces(
            batch.face_import.face_list.persona_id, files, str(batch.idempotency_key)
        )
    except errors.PersonaError as error:
        log.warning("batch %s: %s (request %s)", batch.pk, error, error.request_id or "-")
        _record_failure(
            batch, policy.after(error, batch.attempts, may_have_arrived=batch.may_have_arrived)
        )
    else:
        log.info("batch %s: importer %s", batch.pk, importer.id)
        _record_answer(batch, importer)


def _key_is_too_old(batch: Batch) -> bool:
    """Whether Persona may have forgotten the key of a batch that may have arrived."""
    life = timedelta(hours=settings.PERSONA_KEY_LIFE_HOURS) - lease()
    rows = Batch.objects.filter(pk=batch.pk, may_have_arrived=True)
    return rows.filter(first_sent_at__lt=Now() - life).exists()


def _sealed_files(batch: Batch) -> list[ImageFile]:
    """The batch's bytes, each of them those that were attested; raises SealBroken."""
    consent.check(batch.face_import.attestation)
    rows = list(batch.images.order_by("pk"))
    if len(rows) != batch.image_count:
        raise consent.SealBroken("The batch does not hold the images that it was cut with.")
    return [_sealed_file(image) for image in rows]


def _sealed_file(image: Image) -> ImageFile:
    try:
        with default_storage.open(image.storage_key) as stored:
            data = stored.read()
    except OSError as error:
        raise consent.SealBroken(f"Image {image.key} cannot be read from storage.") from error
    if images.digest(data) != image.sha256:
        raise consent.SealBroken(f"Image {image.key} is not the one that was attested.")
    extension = image.storage_key.rpartition(".")[2]
    return ImageFile(f"{image.key}.{extension}", image.content_type, data)


def _record_answer(batch: Batch, importer: Importer) -> None:
    with transaction.atomic():
        held = batch.finish_sending(
            State.IMPORTING,
            importer_id=importer.id,
            persona_status=importer.raw_status,
            accepted_at=Now(),
            next_attempt_at=pacing.after(FIRST_POLL),
            may_have_arrived=True,
            problem="",
            problem_detail="",
        )
        if held:
            audit.append(audit.WORKER, "batch.accepted", batch, importer=importer.id)
            facelists.release(batch.face_import.face_list_id)


def _record_failure(batch: Batch, step: policy.Step) -> None:
    may_have_arrived = (batch.may_have_arrived or step.state == State.UNKNOWN) and not step.new_key
    values = {
        "problem": step.problem,
        "problem_detail": step.sentence,
        "next_attempt_at": pacing.after(step.delay),
        "may_have_arrived": may_have_arrived,
    }
    if not may_have_arrived:  # Persona has not kept the key: its life has not begun
        values["first_sent_at"] = None
    if step.new_key:
        values["idempotency_key"] = None
    with transaction.atomic():
        if not batch.finish_sending(step.state, **values):
            return  # another worker holds it now
        if step.scope is policy.Scope.LIST:
            facelists.hold(batch.face_import.face_list, step.sentence)
        audit.append(audit.WORKER, f"batch.{step.state}", batch, problem=step.problem)
        if step.state == State.FAILED:
            close_import(batch.face_import)
