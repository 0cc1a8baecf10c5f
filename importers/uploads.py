"""Receives uploaded files on the disk, and of each no more than we would ever take."""

from typing import Any, NoReturn

from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler

from importers.images import MOST_BYTES

NOT_KEPT = "_upload_not_kept"


class BoundedFileUploadHandler(TemporaryFileUploadHandler):
    """Counts every byte of a file but keeps only what is needed to know that it is too large.

    Django itself limits no file's size (`docs/ref/settings`: DATA_UPLOAD_MAX_MEMORY_SIZE does
    not count file bytes), so without this one request could fill the disk. Where the disk is full
    all the same, the file is passed over and the view can tell (`all_arrived`).
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().new_file(*args, **kwargs)
        except OSError:
            self._pass_over()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start > MOST_BYTES:
            return
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError:
            self._pass_over()

    def _pass_over(self) -> NoReturn:
        setattr(self.request, NOT_KEPT, True)
        raise SkipFile


def all_arrived(request: object) -> bool:
    """Whether every file of a request that was read could be kept."""
    return not getattr(request, NOT_KEPT, False)
