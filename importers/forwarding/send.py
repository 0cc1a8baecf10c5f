"""Sending: claim a batch, check its seal over the very bytes, send them, record the answer.

A batch that may have arrived, and whose key can't be used again, is looked for instead.

No transaction is open while Persona is called. The claim, with the key that the batch is sent
under, is committed before; a worker that dies leaves a row that says `sending`, and when its
lease has run out the same bytes go out again under the same key.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.db.models.functions import Now

from importers import audit, connection, consent, facelists, images, pacing
from importers.forwarding import policy, reconcile
from importers.forwarding.finish import close_import
from importers.models import Batch, Image
from importers.persona import errors
from importers.persona.answers import Importer
from importers.persona.client import ImageFile

log = logging.getLogger(__name__)
State = Batch.State
FIRST_POLL = timedelta(seconds=2)
LEASE = timedelta(seconds=45)
Slot = Callable[[], AbstractContextManager[bool]]
_in_hand: set[int] = set()


class Unreadable(Exception):
    """An image could not be read from storage, or (`missing`) is not there any more."""

    def __init__(self, sentence: str, *, missing: bool = False) -> None:
        super().__init__(sentence)
        self.missing = missing


@contextmanager
def at_once() -> Iterator[bool]:
    yield True


def send_next(owner: str, slot: Slot = at_once) -> bool:
    """Sends the batch that is due first, if there is one and our share allows; whether it did.

    The batch is made ready before it waits for a `slot`, which may also say that it is not to go.
    """
    where = connection.environment()
    if not Batch.objects.of_environment(where).to_send().exists():
        return False
    with transaction.atomic():
        if pacing.take(where, to_send=True):
            return False
        batch = claim(owner)
        if batch is None:
            pacing.give_back(where)
            return False
    _in_hand.add(batch.pk)
    try:
        went_out = _look(batch) if batch.look_first else _send(batch, slot)
    finally:
        _in_hand.discard(batch.pk)
    if not went_out:
        pacing.give_back(where)
    return True


def claim(owner: str) -> Batch | None:
    """Takes the lease on the batch that is due first; None where there is none to take."""
    with transaction.atomic():
        due = Batch.objects.of_environment(connection.environment()).to_send()
        if database.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        batch = due.first()
        if batch is None:
            return None
        looks = batch.look_first or not _key_lives(batch)
        if not batch.lend(owner, pacing.after(LEASE), looks=looks):
            return None
        return Batch.objects.select_related("face_import__face_list").get(pk=batch.pk)


def keep_leases(owner: str) -> None:
    """Renews the leases of what this process has in hand; call it well within LEASE.

    What it has let go without a record, for the database was away, is left to whoever comes.
    """
    mine = Batch.objects.filter(state=State.SENDING, lease_owner=owner, pk__in=list(_in_hand))
    mine.update(lease_until=pacing.after(LEASE))


def _send(batch: Batch, slot: Slot) -> bool:
    """Whether a request was made."""
    before = _before(batch)
    try:
        files = _sealed_files(batch)
    except consent.SealBroken as broken:
        _record_step(batch, policy.seal_is_broken(broken.reason, before))
        return False
    except Unreadable as trouble:
        _record_step(batch, policy.after_unreadable(str(trouble), before, missing=trouble.missing))
        return False
    with slot() as may_go:
        if not may_go:
            _record_step(batch, policy.given_back(before))
            return False
        if not batch.is_still_lent:  # it took so long that another worker has it
            return False
        _import(batch, files, before)
        return True


def _import(batch: Batch, files: list[ImageFile], before: policy.Before) -> None:
    try:
        importer = connection.persona(batch).import_faces(
            batch.face_import.face_list.persona_id, files, str(batch.idempotency_key)
        )
    except errors.PersonaError as error:
        step = policy.after(error, before)
        _record_step(batch, step, **({} if step.is_held else {"tried_until": Now()}))
    else:
        _record_answer(batch, importer)


def _look(batch: Batch) -> bool:
    """Looks for a batch that may have arrived, and adopts what can only be its importer."""
    before = _before(batch)
    try:
        looked = reconcile.look(batch)
    except errors.PersonaError as error:
        _record_step(batch, policy.look_later(error.words, before))
    except reconcile.TooEarly:
        _record_step(batch, policy.look_later("Looking for it at Persona.", before))
    else:
        found = looked.found
        is_sure = looked.is_sure and before.problem != policy.RESTORED
        if len(found) == 1 and is_sure and reconcile.fits(batch, found[0]):
            _record_answer(batch, found[0])
            return True
        arrived = bool(found) or not looked.all_read
        step = policy.after_look(
            before, arrived=arrived, key_lives=_key_lives(batch), all_read=looked.all_read
        )
        _record_step(batch, step, candidates=[reconcile.told(row) for row in found])
    return True


def _before(batch: Batch) -> policy.Before:
    return policy.Before(batch.attempts, batch.may_have_arrived, batch.problem)


def _key_lives(batch: Batch) -> bool:
    """Whether Persona surely still remembers the key of a batch that may have arrived."""
    longest_send = timedelta(seconds=2 * settings.PERSONA_TIMEOUT_SECONDS + 30)
    life = timedelta(hours=settings.PERSONA_KEY_LIFE_HOURS) - longest_send
    is_in_doubt = batch.may_have_arrived or batch.state == State.SENDING  # left so by one that died
    over = Batch.objects.filter(pk=batch.pk, first_sent_at__lt=Now() - life)
    return not (is_in_doubt and over.exists())


def _sealed_files(batch: Batch) -> list[ImageFile]:
    """The batch's bytes, each of them those that were attested; or SealBroken, or Unreadable."""
    consent.check(batch.face_import.attestation)
    rows = list(batch.images.order_by("pk"))
    if len(rows) != batch.image_count:
        raise consent.SealBroken("The batch does not hold the images that it was cut with.")
    return [_sealed_file(image) for image in rows]


def _sealed_file(image: Image) -> ImageFile:
    try:
        with default_storage.open(image.storage_key) as stored:
            data = stored.read()
    except FileNotFoundError as error:
        raise Unreadable(f"Image {image.key} is no longer in storage.", missing=True) from error
    except OSError as error:
        raise Unreadable(f"Image {image.key} cannot be read from storage now.") from error
    if images.digest(data) != image.sha256:
        raise consent.SealBroken(f"Image {image.key} is not the one that was attested.")
    extension = image.storage_key.rpartition(".")[2]
    return ImageFile(f"{image.key}.{extension}", image.content_type, data)


def _record_answer(batch: Batch, importer: Importer) -> None:
    log.info("batch %s: importer %s", batch.pk, importer.id, extra={"batch": batch.pk})
    values: dict[str, object] = {
        "importer_id": importer.id,
        "persona_status": importer.raw_status,
        "accepted_at": Now(),
        "next_attempt_at": pacing.after(FIRST_POLL),
        "may_have_arrived": True,
        "look_first": False,
        "problem": "",
        "problem_detail": "",
    }
    try:
        with transaction.atomic():
            if batch.finish_sending(State.IMPORTING, **values) or batch.learn_late(**values):
                audit.append(audit.WORKER, "batch.accepted", batch, importer=importer.id)
                facelists.release(batch.face_import.face_list_id)
    except IntegrityError:  # `importer_claimed_once`
        _record_step(batch, policy.importer_is_taken(importer.id), tried_until=Now())


def _record_step(batch: Batch, step: policy.Step, **values: object) -> None:
    log.warning("batch %s: %s, %s", batch.pk, step.state, step.problem, extra={"batch": batch.pk})
    values |= {
        "problem": step.problem,
        "problem_detail": step.sentence,
        "next_attempt_at": pacing.after(step.delay),
        "may_have_arrived": step.may_have_arrived,
        "look_first": step.look_first,
    }
    if not step.may_have_arrived:  # Persona has not kept the key: its life has not begun
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
