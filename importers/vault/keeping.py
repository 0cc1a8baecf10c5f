"""Keeping images and their thumbnails: bytes under random names, outside every public path.

Bytes are stored before the row that names them. A crash between the two leaves a file without a
row, which `sweeping` removes, and never a row without its file.
"""

import logging
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.core.files.storage import default_storage

from importers.imaging.inspection import EXTENSIONS
from importers.models import Image, Import

log = logging.getLogger(__name__)
READERS = 8  # at once: S3 is slow to answer, however small the file


class StorageUnavailable(Exception):
    """Files could not be written (the disk may be full). None of them is stored."""


class Picture(NamedTuple):
    """What belongs to one image: its row, its bytes and those of its thumbnail."""

    image: Image
    data: bytes
    thumbnail: bytes


def put(pictures: Iterable[Picture]) -> None:
    """Store them durably and set the keys of the rows, but save no row.

    Raises StorageUnavailable, and then none of them is stored.
    """
    contents: dict[str, bytes] = {}
    for image, data, thumbnail in pictures:
        image.storage_key = _new_key(image.face_import, EXTENSIONS[image.format])
        image.thumbnail_key = _new_key(image.face_import, "jpg")
        contents |= {image.storage_key: data, image.thumbnail_key: thumbnail}
    try:
        default_storage.save_all(contents)  # type: ignore[attr-defined]  # both of ours have it
    except OSError as error:
        _destroy_all(contents)  # a part of them may have been written
        raise StorageUnavailable from error


def read(image: Image) -> bytes:
    """Return the stored bytes, exactly as they arrived.

    Raises FileNotFoundError if they are gone, and OSError if they cannot be read now.
    """
    return _read(image.storage_key)


def read_thumbnail(image: Image) -> bytes:
    """Raises the same as `read`."""
    return _read(image.thumbnail_key)


def read_thumbnails(images: Iterable[Image]) -> dict[Image, bytes]:
    """Return those that are stored. Raises OSError if they cannot be read now."""
    images = list(images)
    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(_read_if_stored, (image.thumbnail_key for image in images))
        return {image: data for image, data in zip(images, found, strict=True) if data}


def destroy(*images: Image) -> None:
    """Remove their stored bytes, if they have any. What cannot be removed now is swept later."""
    _destroy_all(key for image in images for key in (image.storage_key, image.thumbnail_key) if key)


def destroy_key(key: str) -> bool:
    """Remove what is stored under a key. Return False if that fails, so that it is swept later."""
    try:
        default_storage.delete(key)
    except OSError as error:
        # Only the type of the error: its text names the file.
        log.warning("a stored file could not be deleted: %s", type(error).__name__)
        return False
    return True


def keys(face_import: Import) -> set[str]:
    """Return the keys of everything stored for the import. Raises OSError."""
    folder = _folder(face_import)
    try:
        return {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    except FileNotFoundError:  # no image of it has been stored
        return set()


def age(key: str) -> timedelta:
    """Return how long ago the bytes were stored, zero if they are gone. Raises OSError."""
    try:
        return datetime.now(UTC) - default_storage.get_modified_time(key)
    except FileNotFoundError:  # a rejected upload removed it in the meantime
        return timedelta()


def _new_key(face_import: Import, extension: str) -> str:
    return f"{_folder(face_import)}/{uuid.uuid4().hex}.{extension}"


def _destroy_all(keys: Iterable[str]) -> None:
    """Stop at the first failure: during an outage, each further one would take many seconds."""
    all(map(destroy_key, keys))


def _read(key: str) -> bytes:
    with default_storage.open(key) as stored:
        data: bytes = stored.read()
    return data


def _read_if_stored(key: str) -> bytes:
    try:
        return _read(key)
    except FileNotFoundError:
        return b""


def _folder(face_import: Import) -> str:
    return f"imports/{face_import.pk}"
