"""Keeps uploaded files until they are checked, each only up to the size that we would accept."""

from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload

from importers.imaging.inspection import MAX_BYTES

NOT_KEPT = "_upload_not_kept"
# A request with a group of small files, whose bytes are held in memory to be checked in any case.
SMALL_REQUEST_BYTES = MAX_BYTES + 100_000


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

    A small request is kept in memory, and others on the disk. A file there has no name, so the
    system frees it when the process ends in any way. Django's own has one, and a killed process
    would leave faces behind.
    """

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any
    ) -> None:
        self._is_small = content_length <= SMALL_REQUEST_BYTES

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        try:
            self.file = BytesIO() if self._is_small else _unnamed_file()
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


def _unnamed_file() -> IO[bytes]:
    return TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)


def all_arrived(request: object) -> bool:
    """Return True if every file of a request that was read could be kept."""
    return not getattr(request, NOT_KEPT, False)
