"""Files as a door receives them."""

from importers.audit.actors import Actor
from importers.intake import aside, files
from importers.intake.files import IncomingFile, Received
from importers.models import Image, Import


def incoming(name: str, data: bytes, size: int | None = None) -> IncomingFile:
    """Return a file of that name and content; `size` only where it is announced differently."""
    return IncomingFile(name, len(data) if size is None else size, lambda: data)


def receive_one(draft: Import, file: IncomingFile, actor: Actor) -> Received:
    (received,) = files.receive(draft, [file], actor)
    return received


def remove_one(image: Image, actor: Actor) -> int:
    """Remove a file from its draft."""
    chosen = image.face_import.files.filter(pk=image.pk)
    return aside.remove(image.face_import, chosen, actor)
