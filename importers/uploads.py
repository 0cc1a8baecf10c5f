"""Receives uploaded files on the disk, and of each no more than we would ever take."""

from django.core.files.uploadhandler import TemporaryFileUploadHandler

from importers.images import MOST_BYTES


class BoundedFileUploadHandler(TemporaryFileUploadHandler):
    """Counts every byte of a file but keeps only what is needed to know that it is too large.

    Django itself limits no file's size (`docs/ref/settings`: DATA_UPLOAD_MAX_MEMORY_SIZE does
    not count file bytes), so without this one request could fill the disk.
    """

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start <= MOST_BYTES:
            super().receive_data_chunk(raw_data, start)
