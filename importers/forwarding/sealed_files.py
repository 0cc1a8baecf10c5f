"""Sealed files: the exact bytes that are sent, each checked against what was attested."""

from importers.consent import seal
from importers.consent.seal import SealBroken
from importers.imaging.inspection import digest
from importers.models import Batch, Image, Import
from importers.persona.client import ImageFile
from importers.vault import keeping


class Unreadable(Exception):
    """An image cannot be read from storage now, or (`missing`) is no longer there."""

    def __init__(self, sentence: str, *, missing: bool = False) -> None:
        super().__init__(sentence)
        self.missing = missing


def read(batch: Batch) -> list[ImageFile]:
    """Return the batch's files, each of them as attested. Raises SealBroken or Unreadable."""
    # Read once for the whole send.
    imports = Import.objects.select_related("face_list").prefetch_related("attestations")
    batch.face_import = imports.get(pk=batch.face_import_id)
    signed = batch.face_import.attestation
    if signed is None:
        raise SealBroken("The import has no attestation in force.")
    # The order is part of the bytes, which a retry under the same key must repeat exactly.
    images = list(batch.images.order_by("pk"))
    seal.check_images(signed, images)
    attested = [
        image
        for image in images
        if image.face_import_id == batch.face_import_id and image.state == Image.State.ACCEPTED
    ]
    # An image that somebody moved here from another import was attested there, if at all.
    if attested != images or len(images) != batch.image_count:
        raise SealBroken("The batch does not hold the images that it was cut with.")
    return [_read_one(image) for image in images]


def _read_one(image: Image) -> ImageFile:
    try:
        data = keeping.read(image)
    except FileNotFoundError as error:
        raise Unreadable(f"Image {image.key} is no longer in storage.", missing=True) from error
    except OSError as error:
        raise Unreadable(f"Image {image.key} cannot be read from storage now.") from error
    if digest(data) != image.sha256:
        raise SealBroken(f"Image {image.key} is not the one that was attested.")
    return ImageFile(image.sent_name, image.content_type, data)
