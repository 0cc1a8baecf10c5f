"""Files in, images of a draft out: each is checked as it arrives, then stored or rejected.

A file is identified by its name and its bytes, so uploading the same file again, after a lost
answer or a restart, changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.imaging import inspection
from importers.imaging.decoding import Rejected
from importers.imaging.inspection import Facts
from importers.intake import drafts
from importers.intake.inspecting import processes
from importers.models import Image, Import
from importers.vault import keeping

LONGEST_NAME = 4096


@dataclass(frozen=True)
class IncomingFile:
    """A file as a view or a command receives it. `size` is in bytes; `read` returns all of them.

    A file whose size exceeds the limit is never read.
    """

    name: str
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Received:
    """The outcome for a file; `new` is False if the draft already had it."""

    image: Image
    new: bool


def receive(draft: Import, file: IncomingFile, actor: Actor, *, wait: bool = True) -> Received:
    """Check one file and store it in the draft, or record why it is rejected.

    Raises NotADraft, StorageUnavailable, CannotStart or, unless `wait`, Busy, and then nothing has
    changed; or any error of `read`.
    """
    name = _storable(file.name)
    data = b""
    try:
        inspection.check_size(file.size)
        data = file.read()
        facts = processes.inspect(data, wait=wait)
    except Rejected as rejected:
        # Without it, two bad files of the same name and size would count as one.
        sha256 = inspection.digest(data) if data else ""
        return _reject(draft, name, len(data) or file.size, sha256, rejected, actor)
    return _accept(draft, name, data, facts, actor)


def remove(image: Image, actor: Actor) -> None:
    """Remove one file, accepted or rejected, from its draft. Raises NotADraft."""
    with drafts.locked(image.face_import):
        removed, _ = Image.objects.filter(pk=image.pk).delete()
        if removed:
            trail.append(actor, Action.IMAGE_REMOVED, image, sha256=image.sha256)
    # After the commit: if it failed, the row must still find its bytes.
    keeping.destroy(image)


def clear_rejected(draft: Import, actor: Actor) -> int:
    """Remove every rejected file from the draft. Return how many. Raises NotADraft."""
    with drafts.locked(draft):
        count, _ = draft.files.filter(state=Image.State.LEFT_OUT).delete()
        trail.append(actor, Action.REJECTED_CLEARED, draft, count=count)
    return count


def _accept(draft: Import, name: str, data: bytes, facts: Facts, actor: Actor) -> Received:
    image = Image(
        face_import=draft,
        original_name=name,
        state=Image.State.ACCEPTED,
        byte_size=len(data),
        sha256=inspection.digest(data),
        format=facts.format,
        width=facts.width,
        height=facts.height,
    )
    keeping.put(image, data, facts.thumbnail)
    try:
        with drafts.locked(draft):
            twin = draft.files.filter(state=Image.State.ACCEPTED, sha256=image.sha256).first()
            if twin is None:
                return Received(_record(image, actor), new=True)
    except BaseException:
        # A commit can succeed although its answer is lost. Then a row names the bytes.
        if not Image.objects.filter(storage_key=image.storage_key).exists():
            keeping.destroy(image)
        raise
    keeping.destroy(image)
    if twin.original_name == name:
        return Received(twin, new=False)
    sentence = f"The same image is already in this import, as {twin.original_name}."
    duplicate = Rejected("duplicate", sentence)
    return _reject(draft, name, image.byte_size, image.sha256, duplicate, actor)


def _record(image: Image, actor: Actor) -> Image:
    image.save(force_insert=True)
    draft = image.face_import
    trail.append(actor, Action.IMAGE_ACCEPTED, image, face_import=draft.pk, sha256=image.sha256)
    return image


def _reject(
    draft: Import, name: str, byte_size: int, sha256: str, rejected: Rejected, actor: Actor
) -> Received:
    facts = {
        "state": Image.State.LEFT_OUT,
        "original_name": name,
        "byte_size": byte_size,
        "sha256": sha256,
        "reason": rejected.code,
    }
    with drafts.locked(draft):
        image, new = draft.files.get_or_create(**facts, defaults={"explanation": rejected.sentence})
        if new:
            trail.append(
                actor, Action.IMAGE_REJECTED, image, face_import=draft.pk, reason=rejected.code
            )
    return Received(image, new)


def _storable(name: str) -> str:
    """Return the name as given, without what no database can hold (NUL, lone surrogates)."""
    storable = name.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    return storable[:LONGEST_NAME] or "(no name)"
