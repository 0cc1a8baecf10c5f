"""Writes uploaded files to the disk, each only up to the size that we would accept."""

from typing import Any, NoReturn

from django.core.files.uploadhandler import (
    FileUploadHandler,
    SkipFile,
    StopUpload,
    TemporaryFileUploadHandler,
)

from importers.imaging.inspection import MAX_BYTES

NOT_KEPT = "_upload_not_kept"


class RefusingUploadHandler(FileUploadHandler):
    """Receives no file, and stops reading the body at the first one.

    It is the default, because the CSRF check reads a body before anybody has signed in. Without it
    a stranger could have each request open a thousand files.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise StopUpload(connection_reset=True)


class BoundedFileUploadHandler(TemporaryFileUploadHandler):
    """Counts every byte of a file, but keeps only what proves that it is too large.

    Django itself limits no file's size (`docs/ref/settings`: DATA_UPLOAD_MAX_MEMORY_SIZE does
    not count file bytes), so without this one request could fill the disk. If the disk is full
    nevertheless, the file is skipped and the view can say so (`all_arrived`).
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().new_file(*args, **kwargs)
        except OSError:
            self._skip()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start > MAX_BYTES:  # what is kept already proves that the file is too large
            return
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError:
            self._skip()

    def _skip(self) -> NoReturn:
        setattr(self.request, NOT_KEPT, True)
        raise SkipFile


def all_arrived(request: object) -> bool:
    """Return True if every file of a request that was read could be kept."""
    return not getattr(request, NOT_KEPT, False)
