"""Files in, images of a draft out: each is checked as it arrives, then stored or rejected.

A file is identified by its name and its bytes, so uploading the same file again, after a lost
answer or a restart, changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress

from django.db.models import Q

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.imaging import inspection
from importers.imaging.decoding import Rejected
from importers.imaging.inspection import MAX_BYTES
from importers.imaging.processes import Inspect
from importers.intake import drafts, known, names
from importers.intake.inspecting import processes
from importers.models import Image, Import
from importers.vault import keeping
from importers.vault.keeping import Picture

# Small files are received in groups: each group is one request, one transaction and one row of the
# audit trail. Its bytes are held in memory, so it holds no more than the largest file.
GROUP_FILES, GROUP_BYTES = 20, MAX_BYTES


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


def groups(incoming: Iterable[IncomingFile]) -> Iterator[list[IncomingFile]]:
    """Cut files into groups to receive."""
    # A file over the limit is never read.
    return in_groups(incoming, lambda file: file.size if file.size <= MAX_BYTES else 0)


def in_groups[Item](items: Iterable[Item], bytes_of: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Cut items into groups, each small enough to be held in memory."""
    group: list[Item] = []
    held = 0
    for item in items:
        size = bytes_of(item)
        if group and (len(group) == GROUP_FILES or held + size > GROUP_BYTES):
            yield group
            group, held = [], 0
        group.append(item)
        held += size
    if group:
        yield group


def receive(
    draft: Import, group: Iterable[IncomingFile], actor: Actor, *, wait: bool = True
) -> list[Received]:
    """Check each file of a group, and store it in the draft or record why it is rejected.

    Raises NotADraft, StorageUnavailable, CannotStart or, unless `wait`, Busy, and then nothing has
    changed; or any error of `read`.
    """
    with processes.place(wait=wait) as inspect:
        checked = [_check(draft, file, inspect) for file in group]
    pictures = [one for one in checked if one.image.state == Image.State.ACCEPTED]
    keeping.put(pictures)
    try:
        with drafts.locked(draft):
            received = _record(draft, [one.image for one in checked], actor)
    except BaseException:
        # A commit can succeed although its answer is lost. Then the rows name the bytes.
        keys = [one.image.storage_key for one in pictures]
        if not draft.files.filter(storage_key__in=keys).exists():
            keeping.destroy(*(one.image for one in pictures))
        raise
    keeping.destroy(*(one.image for one in pictures if one.image._state.adding))
    return received


def clear_rejected(draft: Import, actor: Actor) -> int:
    """Remove every rejected file from the draft. Return how many. Raises NotADraft."""
    with drafts.locked(draft):
        rejected = draft.files.filter(state=Image.State.LEFT_OUT).exclude(reason__in=Image.ASIDE)
        count, _ = rejected.delete()
        trail.append(actor, Action.REJECTED_CLEARED, draft, count=count)
    return count


def _check(draft: Import, file: IncomingFile, inspect: Inspect) -> Picture:
    """Return the file with a row that is not saved, and without bytes if it is rejected."""
    name = names.storable(file.name)
    image = Image(face_import=draft, original_name=name, byte_size=file.size)
    image.sort_name = names.sort_name(name)
    try:
        inspection.check_size(file.size)
        data = file.read()
        image.byte_size, image.sha256 = len(data), inspection.digest(data)
        facts = inspect(data)
    except Rejected as why:
        return Picture(_rejected(image, why), b"", b"")
    image.state = Image.State.ACCEPTED
    image.format, image.width, image.height = facts.format, facts.width, facts.height
    return Picture(image, data, facts.thumbnail)


def _rejected(image: Image, why: Rejected) -> Image:
    """Return the row of a file that is rejected, instead of `image`."""
    return Image(
        face_import=image.face_import,
        original_name=image.original_name,
        sort_name=image.sort_name,
        byte_size=image.byte_size,
        sha256=image.sha256,
        state=Image.State.LEFT_OUT,
        reason=why.code,
        explanation=why.sentence,
    )


def _record(draft: Import, images: list[Image], actor: Actor) -> list[Received]:
    """Save the rows that the draft does not have yet, and write one row of the trail for them."""
    hashes = [image.sha256 for image in images if image.state == Image.State.ACCEPTED]
    has = Q(state=Image.State.ACCEPTED) | Q(reason=Image.ALREADY_SENT)
    twins = {twin.sha256: twin for twin in draft.files.filter(has, sha256__in=hashes)}
    sent = known.sent_before(draft, hashes)
    images = [_unless_known(image, twins, sent) for image in images]
    left_out = [image.original_name for image in images if image.state == Image.State.LEFT_OUT]
    rejected = draft.files.filter(state=Image.State.LEFT_OUT, original_name__in=left_out)
    present = {_identity(image): image for image in rejected}
    rows = [present.setdefault(_identity(image), image) for image in images]
    are_new = [row._state.adding and row not in rows[:n] for n, row in enumerate(rows)]
    new = Image.objects.bulk_create(compress(rows, are_new))
    if new:
        trail.append(actor, Action.IMAGES_RECEIVED, draft, **_details(new))
    return [Received(row, is_new) for row, is_new in zip(rows, are_new, strict=True)]


def _unless_known(image: Image, twins: dict[str, Image], sent: dict[str, int]) -> Image:
    """Return the row of a file: its own, that of the same file, or its rejection as a duplicate.

    An image that was sent to the list before is set aside.
    """
    if image.state == Image.State.LEFT_OUT:
        return image
    twin = twins.setdefault(image.sha256, image)
    if twin is image and image.sha256 in sent:
        image.state, image.reason = Image.State.LEFT_OUT, Image.ALREADY_SENT
        image.explanation = known.explain(sent[image.sha256])
    if twin.original_name == image.original_name:
        return twin
    sentence = f"The same image is already in this import, as {twin.original_name}."
    return _rejected(image, Rejected("duplicate", sentence))


def _identity(image: Image) -> tuple[object, ...]:
    return image.state, image.original_name, image.byte_size, image.sha256, image.reason


def _details(new: list[Image]) -> dict[str, dict[str, str]]:
    """Return what the trail says: the hash of each accepted image, why each other is rejected."""
    accepted = {str(one.pk): one.sha256 for one in new if one.state == Image.State.ACCEPTED}
    rejected = {str(one.pk): one.reason for one in new if one.state == Image.State.LEFT_OUT}
    return {"accepted": accepted, "rejected": rejected}
