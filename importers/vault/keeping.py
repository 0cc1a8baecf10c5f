"""Keeping images and their thumbnails: bytes under random names, outside every public path.

Bytes are stored before the row that names them. A crash between the two leaves a file without a
row, which `sweeping` removes, and never a row without its file.
"""

import logging
import uuid
from datetime import UTC, datetime, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from importers.imaging.inspection import EXTENSIONS
from importers.models import Image, Import

log = logging.getLogger(__name__)


class StorageUnavailable(Exception):
    """The file could not be written (the disk may be full). Nothing was stored."""


def put(image: Image, data: bytes, thumbnail: bytes) -> None:
    """Store both durably and set their keys, but do not save the row. Raises StorageUnavailable."""
    image.storage_key = _put(image.face_import, data, EXTENSIONS[image.format])
    try:
        image.thumbnail_key = _put(image.face_import, thumbnail, "jpg")
    except StorageUnavailable:
        destroy(image)
        raise


def read(image: Image) -> bytes:
    """Return the stored bytes, exactly as they arrived.

    Raises FileNotFoundError if they are gone, and OSError if they cannot be read now.
    """
    return _read(image.storage_key)


def read_thumbnail(image: Image) -> bytes:
    """Raises the same as `read`."""
    return _read(image.thumbnail_key)


def destroy(image: Image) -> None:
    """Remove its stored bytes, if it has any. Those that cannot be removed now are swept later."""
    for key in filter(None, (image.storage_key, image.thumbnail_key)):
        destroy_key(key)


def destroy_key(key: str) -> None:
    """Remove what is stored under a key, or leave it to the next sweep."""
    try:
        default_storage.delete(key)
    except OSError as error:
        # Only the type of the error: its text names the file.
        log.warning("a stored file could not be deleted: %s", type(error).__name__)


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


def _put(face_import: Import, data: bytes, extension: str) -> str:
    name = f"{_folder(face_import)}/{uuid.uuid4().hex}.{extension}"
    try:
        return default_storage.save(name, ContentFile(data))
    except OSError as error:
        destroy_key(name)  # a part of it may have been written
        raise StorageUnavailable from error


def _read(key: str) -> bytes:
    with default_storage.open(key) as stored:
        data: bytes = stored.read()
    return data


def _folder(face_import: Import) -> str:
    return f"imports/{face_import.pk}"
