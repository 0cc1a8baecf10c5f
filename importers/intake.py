"""Files in, images of a draft out: each is checked as it arrives, then stored or left out.

A file is told from another by its name and its bytes, so giving the same file again, after a lost
answer or a restart, changes nothing. Bytes are stored before the row that names them: a crash
between the two leaves a file without a row, which `sweep` removes, and never a row without a file.
"""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from importers import audit, images
from importers.audit import Actor
from importers.images import Facts, LeftOut
from importers.models import FaceList, Image, Import

log = logging.getLogger(__name__)
LONGEST_NAME = 4096
ARRIVING_AT_MOST = timedelta(hours=1)
SWEPT_FOR = timedelta(days=7)


class NotADraft(Exception):
    """The import was sealed or discarded meanwhile: its images can no longer change."""


class StorageTrouble(Exception):
    """The file could not be written (the disk is full, say). Nothing was stored."""


@dataclass(frozen=True)
class Taken:
    """What became of one file; `new` is False where it was there already."""

    image: Image
    new: bool


def open_draft(face_list: FaceList, actor: Actor) -> Import:
    with transaction.atomic():
        draft = Import.objects.create(face_list=face_list, created_by=actor.person)
        audit.append(actor, "import.drafted", draft, list=face_list.persona_id)
    return draft


def change_list(draft: Import, face_list: FaceList, actor: Actor) -> None:
    with _locked(draft):
        Import.objects.filter(pk=draft.pk).update(face_list=face_list)
        audit.append(actor, "import.list_changed", draft, list=face_list.persona_id)


def take(draft: Import, name: str, data: bytes, byte_size: int, actor: Actor) -> Taken:
    """Checks one file and stores it in the draft, or records why it is left out.

    `data` is the whole file, or empty where `byte_size` alone already tells that it is too large.
    Raises NotADraft or StorageTrouble; in either case nothing was changed.
    """
    name = _clean(name)
    try:
        images.check_size(byte_size)
        facts = images.inspect(data)
    except LeftOut as why:
        return _leave_out(draft, name, byte_size, images.digest(data) if data else "", why, actor)
    return _accept(draft, name, data, facts, actor)


def remove(image: Image, actor: Actor) -> None:
    """Takes one image, or one line about a file left out, out of its draft."""
    with _locked(image.face_import):
        removed, _ = Image.objects.filter(pk=image.pk).delete()
        if removed:
            audit.append(actor, "image.removed", image, sha256=image.sha256)
    if image.storage_key:
        _delete(image.storage_key)


def remove_left_out(draft: Import, actor: Actor) -> int:
    """Clears the lines about files that were left out; how many there were."""
    with _locked(draft):
        count, _ = draft.files.filter(state=Image.State.LEFT_OUT).delete()
        audit.append(actor, "left_out.cleared", draft, count=count)
    return count


def discard(draft: Import, actor: Actor) -> None:
    """Cancels a draft and destroys its images; the rows and their hashes remain."""
    with _locked(draft):
        kept = draft.files.filter(destroyed_at=None).exclude(storage_key="")
        count = kept.update(storage_key="", destroyed_at=datetime.now(UTC))
        draft.move(Import.State.CANCELED, of=(Import.State.DRAFT,))
        audit.append(actor, "import.discarded", draft, destroyed=count)
    sweep(draft)


def sweep(of_import: Import) -> None:
    """Removes stored files that no row names: what a crash or a discarded draft left behind.

    What can't be removed now is left to the worker's sweep.
    """
    try:
        _sweep(of_import)
    except OSError as error:
        log.warning("import %s could not be swept: %s", of_import.pk, type(error).__name__)


def sweep_all() -> None:
    """Sweeps what may have been left behind lately; the worker does it now and then."""
    since = datetime.now(UTC) - SWEPT_FOR
    discarded = Image.objects.filter(destroyed_at__gt=since).values("face_import")
    lately = Q(created_at__gt=since) | Q(attestation__signed_at__gt=since) | Q(pk__in=discarded)
    for of_import in Import.objects.filter(Q(state=Import.State.DRAFT) | lately).iterator():
        _sweep(of_import, older_than=ARRIVING_AT_MOST)


def _sweep(of_import: Import, *, older_than: timedelta = timedelta()) -> None:
    """While files may still arrive, `older_than` spares those whose row is yet to be written."""
    stored = _stored(of_import)
    named = set(of_import.files.values_list("storage_key", flat=True))
    for key in stored - named:
        if not older_than or _age(key) >= older_than:
            _delete(key)


def _stored(of_import: Import) -> set[str]:
    folder = _folder(of_import)
    try:
        return {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    except FileNotFoundError:  # no image of it was stored yet
        return set()


def _accept(draft: Import, name: str, data: bytes, facts: Facts, actor: Actor) -> Taken:
    storage_key = _store(draft, facts, data)
    twin = None
    try:
        with _locked(draft):
            twin = draft.files.filter(state=Image.State.ACCEPTED, sha256=facts.sha256).first()
            if twin is None:
                return Taken(_record(draft, name, facts, storage_key, actor), new=True)
    finally:
        if not Image.objects.filter(storage_key=storage_key).exists():
            _delete(storage_key)
    if twin.original_name == name:
        return Taken(twin, new=False)
    sentence = f"The same picture is already in this import, as {twin.original_name}."
    duplicate = LeftOut("duplicate", sentence)
    return _leave_out(draft, name, facts.byte_size, facts.sha256, duplicate, actor)


def _record(draft: Import, name: str, facts: Facts, storage_key: str, actor: Actor) -> Image:
    image = Image.objects.create(
        face_import=draft,
        original_name=name,
        state=Image.State.ACCEPTED,
        storage_key=storage_key,
        **asdict(facts),
    )
    audit.append(actor, "image.accepted", image, face_import=draft.pk, sha256=image.sha256)
    return image


def _leave_out(
    draft: Import, name: str, byte_size: int, sha256: str, why: LeftOut, actor: Actor
) -> Taken:
    facts = {
        "state": Image.State.LEFT_OUT,
        "original_name": name,
        "byte_size": byte_size,
        "sha256": sha256,
        "reason": why.code,
    }
    with _locked(draft):
        image, new = draft.files.get_or_create(**facts, defaults={"explanation": why.sentence})
        if new:
            audit.append(actor, "image.left_out", image, face_import=draft.pk, reason=why.code)
    return Taken(image, new)


@contextmanager
def _locked(draft: Import) -> Iterator[None]:
    """A transaction in which the import is a draft and stays one; raises NotADraft."""
    with transaction.atomic():
        rows = Import.objects.select_for_update().filter(pk=draft.pk, state=Import.State.DRAFT)
        if rows.first() is None:
            raise NotADraft
        yield


def _store(draft: Import, facts: Facts, data: bytes) -> str:
    name = f"{_folder(draft)}/{uuid.uuid4().hex}.{facts.extension}"
    try:
        return default_storage.save(name, ContentFile(data))
    except OSError as error:
        _delete(name)  # a part of it may lie there
        raise StorageTrouble from error


def _age(key: str) -> timedelta:
    try:
        return datetime.now(UTC) - default_storage.get_modified_time(key)
    except FileNotFoundError:  # an upload that was refused has removed it
        return timedelta()


def _delete(key: str) -> None:
    """A file that can't be deleted now is swept later."""
    try:
        default_storage.delete(key)
    except OSError as error:
        log.warning("a stored file could not be deleted: %s", type(error).__name__)


def _folder(of_import: Import) -> str:
    return f"imports/{of_import.pk}"


def _clean(name: str) -> str:
    """The name as given, but for what no database can hold (NUL, lone surrogates)."""
    storable = name.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    return storable[:LONGEST_NAME] or "(no name)"
