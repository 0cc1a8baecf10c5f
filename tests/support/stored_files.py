"""The files in a storage folder."""

from pathlib import Path

from importers.models import Image


def stored_files(folder: Path) -> dict[str, bytes]:
    """Every file below the folder by its relative path, with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def keys_of(*images: Image) -> set[str]:
    """The keys under which the images and their thumbnails are stored."""
    return {key for image in images for key in (image.storage_key, image.thumbnail_key)}
