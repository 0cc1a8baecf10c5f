"""Images in a folder: a file storage whose saved files outlive a power cut."""

import errno
import os
import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

SPARE_BYTES = 50_000_000  # room for five images of the largest size


class DurableFileStorage(FileSystemStorage):
    """Django's file storage, with the files and every folder above them flushed to the disk."""

    def probe(self) -> None:
        """Raises OSError if the folder, or its parent if there is none yet, could take no image."""
        folder = Path(self.location)
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "The folder of images is not writable.")
        if shutil.disk_usage(folder).free < SPARE_BYTES:
            raise OSError(errno.ENOSPC, "The disk of the images is full.")

    def save_all(self, contents: Mapping[str, bytes]) -> None:
        """Save files under names that are free. Raises OSError, and some may then be there."""
        paths = [Path(self.path(self.save(name, ContentFile(contents[name])))) for name in contents]
        for path in paths:  # once all are written, so that the disk takes them together
            _flush(path)
        # After a power cut, a file is only there if every folder that leads to it is on the disk.
        for folder in {path.parent for path in paths}:
            _flush(folder)
            for above in folder.parents[: len(folder.relative_to(self.location).parts)]:
                _flush_once(above, folder)


@lru_cache(maxsize=1024)
def _flush_once(folder: Path, for_folder: Path) -> None:
    """Flush a folder, unless this process has done so for the same folder inside it."""
    _flush(folder)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
