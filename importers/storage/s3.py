"""Images in a private bucket of S3-compatible storage. Nothing else here knows boto3.

Each error of boto3 leaves this module as OSError, or as FileNotFoundError if the object is gone.
An image is read, or put, by one request in one piece: what S3 acknowledged is complete, and what
it refused is not there.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from storages.backends.s3 import S3Storage

MISSING = {"NoSuchKey", "NoSuchVersion", "404"}  # the answer to a HEAD has no code of its own
CLIENT = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 2},
    proxies={},  # none from the environment, as for each of our requests
    # Other vendors' S3 refuse checksums that trail the body. Without them, the signature covers it.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_connecting = Lock()
PROBE = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
# A multipart upload that is cut short would leave parts of a face that no list shows.
ONE_PUT = TransferConfig(multipart_threshold=5_000_000_000, use_threads=False)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        trouble = FileNotFoundError if code in MISSING else OSError
        raise trouble(f"S3 answered {code}.") from error
    except BotoCoreError as error:
        raise OSError(f"S3 did not answer: {type(error).__name__}.") from error


class PrivateS3Storage(S3Storage):  # type: ignore[misc]  # the library has no types
    """Objects that only the bucket's owner may read, under random keys.

    A random key is free, so no request asks whether it is (`file_overwrite`).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(
            default_acl=None,  # the bucket's own rules: many buckets allow nothing else
            file_overwrite=True,
            object_parameters={"CacheControl": "no-store"},
            client_config=CLIENT,
            transfer_config=ONE_PUT,
            **options,
        )

    _shared: Any = None

    @property
    def connection(self) -> Any:
        """One for all threads: a client may be shared, and each further one costs 13 MB."""
        with _connecting:  # the first thumbnails of a page are read by several threads at once
            self._shared = self._shared or super().connection
            return self._shared

    @cached_property
    def _probing(self) -> Any:
        return self._create_session().client(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            config=CLIENT.merge(PROBE),
        )

    @_as_os_errors()
    def probe(self) -> None:
        """Raises OSError within a few seconds if the bucket cannot be reached."""
        self._probing.list_objects_v2(Bucket=self.bucket_name, Prefix=self.location, MaxKeys=1)

    @_as_os_errors()
    def _open(self, name: str, mode: str = "rb") -> "ContentFile[bytes]":
        """Return the whole image with one request; S3Storage's own file makes three."""
        if mode != "rb":
            raise ValueError("Images are only read; `save` writes them.")
        client = self.connection.meta.client
        answer = client.get_object(Bucket=self.bucket_name, Key=self._normalize_name(name))
        return ContentFile(answer["Body"].read(), name)

    @_as_os_errors()
    def _save(self, name: str, content: Any) -> str:
        saved: str = super()._save(name, content)
        return saved

    def save_all(self, contents: Mapping[str, bytes]) -> None:
        """Save objects under names that are free. Raises OSError, and some may then be there."""
        for name, data in contents.items():
            self.save(name, ContentFile(data))

    @_as_os_errors()
    def delete(self, name: str) -> None:
        """Destroy it, and each older version if the bucket keeps versions."""
        key = self._normalize_name(name)
        if self.bucket.Object(key).delete().get("DeleteMarker"):
            for version in self.bucket.object_versions.filter(Prefix=key):
                version.delete()

    @_as_os_errors()
    def exists(self, name: str) -> bool:
        return bool(super().exists(name))

    @_as_os_errors()
    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        folders, files = super().listdir(path)
        return folders, files

    @_as_os_errors()
    def get_modified_time(self, name: str) -> datetime:
        modified: datetime = super().get_modified_time(name)
        return modified

    @_as_os_errors()
    def size(self, name: str) -> int:
        return int(super().size(name))
