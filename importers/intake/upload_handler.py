"""Writes uploaded files to the disk, each only up to the size that we would accept."""

from tempfile import TemporaryFile
from typing import Any, NoReturn

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload

from importers.imaging.inspection import MAX_BYTES

NOT_KEPT = "_upload_not_kept"


class RefusingUploadHandler(FileUploadHandler):
    """Receives no file, and stops reading the body at the first one.

    It is the default, because the CSRF check reads a body before anybody has signed in. Without it
    a stranger could have each request open a thousand files.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise StopUpload(connection_reset=True)


class BoundedFileUploadHandler(FileUploadHandler):
    """Counts every byte of a file, but keeps only what proves that it is too large.

    Django itself limits no file's size (`docs/ref/settings`: DATA_UPLOAD_MAX_MEMORY_SIZE does
    not count file bytes), so without this one request could fill the disk. If the disk is full
    nevertheless, the file is skipped and the view can say so (`all_arrived`).

    The file on the disk has no name, so the system frees it when the process ends in any way.
    Django's own has one, and a killed process would leave faces behind.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        try:
            self.file = TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
        except OSError:
            self._skip()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start > MAX_BYTES:  # what is kept already proves that the file is too large
            return
        try:
            self.file.write(raw_data)
        except OSError:
            self._skip()

    def file_complete(self, file_size: int) -> "UploadedFile[bytes] | None":
        try:
            self.file.seek(0)
        except OSError:  # the last bytes did not fit on the disk
            setattr(self.request, NOT_KEPT, True)
            return None
        about = (self.content_type, file_size, self.charset, self.content_type_extra)
        return UploadedFile(self.file, self.file_name, *about)

    def _skip(self) -> NoReturn:
        setattr(self.request, NOT_KEPT, True)
        raise SkipFile


def all_arrived(request: object) -> bool:
    """Return True if every file of a request that was read could be kept."""
    return not getattr(request, NOT_KEPT, False)
