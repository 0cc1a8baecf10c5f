"""Files in, images of a draft out: each is checked as it arrives, then stored or rejected.

A file is identified by its name and its bytes, so uploading the same file again, after a lost
answer or a restart, changes nothing.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.imaging import inspection
from importers.imaging.decoding import Rejected
from importers.imaging.inspection import Facts
from importers.intake import drafts
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


def receive(draft: Import, file: IncomingFile, actor: Actor) -> Received:
    """Check one file and store it in the draft, or record why it is rejected.

    Raises NotADraft or StorageUnavailable, and then nothing has changed; or any error of `read`.
    """
    name = _storable(file.name)
    data = b""
    try:
        inspection.check_size(file.size)
        data = file.read()
        facts = inspection.inspect(data)
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
    if image.storage_key:
        keeping.destroy(image.storage_key)


def clear_rejected(draft: Import, actor: Actor) -> int:
    """Remove every rejected file from the draft. Return how many. Raises NotADraft."""
    with drafts.locked(draft):
        count, _ = draft.files.filter(state=Image.State.LEFT_OUT).delete()
        trail.append(actor, Action.REJECTED_CLEARED, draft, count=count)
    return count


def _accept(draft: Import, name: str, data: bytes, facts: Facts, actor: Actor) -> Received:
    storage_key = keeping.put(draft, data, facts.extension)
    try:
        with drafts.locked(draft):
            twin = draft.files.filter(state=Image.State.ACCEPTED, sha256=facts.sha256).first()
            if twin is None:
                return Received(_record(draft, name, facts, storage_key, actor), new=True)
    except BaseException:
        # A commit can succeed although its answer is lost. Then a row names the bytes.
        if not Image.objects.filter(storage_key=storage_key).exists():
            keeping.destroy(storage_key)
        raise
    keeping.destroy(storage_key)
    if twin.original_name == name:
        return Received(twin, new=False)
    sentence = f"The same image is already in this import, as {twin.original_name}."
    duplicate = Rejected("duplicate", sentence)
    return _reject(draft, name, facts.byte_size, facts.sha256, duplicate, actor)


def _record(draft: Import, name: str, facts: Facts, storage_key: str, actor: Actor) -> Image:
    image = Image.objects.create(
        face_import=draft,
        original_name=name,
        state=Image.State.ACCEPTED,
        storage_key=storage_key,
        **asdict(facts),
    )
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
