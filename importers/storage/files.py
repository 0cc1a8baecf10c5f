"""Images in a folder: a file storage whose saved file outlives a power cut."""

import errno
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage

SPARE_BYTES = 50_000_000  # room for five images of the largest size


class DurableFileStorage(FileSystemStorage):
    """Django's file storage, with the file and every folder above it flushed to the disk."""

    def probe(self) -> None:
        """Raises OSError if the folder, or its parent if there is none yet, could take no image."""
        folder = Path(self.location)
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "The folder of images is not writable.")
        if shutil.disk_usage(folder).free < SPARE_BYTES:
            raise OSError(errno.ENOSPC, "The disk of the images is full.")

    def _save(self, name: str, content: Any) -> str:
        saved: str = super()._save(name, content)  # type: ignore[misc]
        path = Path(self.path(saved))
        _flush(path)
        _flush(path.parent)
        # After a power cut, a file is only there if every folder that leads to it is on the disk.
        for folder in path.parents[1 : len(Path(saved).parts)]:
            _flush_once(folder, path.parent)
        return saved


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
