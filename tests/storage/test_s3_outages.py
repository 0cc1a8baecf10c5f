"""A bucket that is missing, unreachable or slow."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import Batch, Image, Import
from importers.vault import keeping
from importers.vault.keeping import StorageUnavailable
from importers.worker import jobs
from tests.support.attestations import submit
from tests.support.forwarding import forward, time_passes
from tests.support.makers import AddFile
from tests.support.s3 import NO_SUCH_FILE, S3, fixed_response

pytestmark = pytest.mark.django_db


class TestOutage:
    def test_upload_during_an_outage_stores_nothing(self, outage: None, add_file: AddFile) -> None:
        with pytest.raises(StorageUnavailable):
            add_file()
        assert not Image.objects.exists()

    @pytest.mark.parametrize(
        "operation",
        [
            lambda: default_storage.open(NO_SUCH_FILE),
            lambda: default_storage.save(NO_SUCH_FILE, ContentFile(b"a")),
            lambda: default_storage.delete(NO_SUCH_FILE),
            lambda: default_storage.exists(NO_SUCH_FILE),
            lambda: default_storage.listdir("imports/1"),
            lambda: default_storage.size(NO_SUCH_FILE),
            lambda: default_storage.get_modified_time(NO_SUCH_FILE),
            lambda: default_storage.probe(),  # type: ignore[attr-defined]
        ],
        ids=["open", "save", "delete", "exists", "listdir", "size", "modified", "probe"],
    )
    def test_every_operation_raises_oserror_without_a_file_name(
        self, outage: None, operation: Callable[[], object]
    ) -> None:
        with pytest.raises(
            OSError, match=r"^S3 did not answer: EndpointConnectionError\.$"
        ) as caught:
            operation()
        assert type(caught.value) is OSError

    def test_batch_waits_and_resumes_when_s3_is_back(
        self,
        s3: S3,
        add_file: AddFile,
        draft: Import,
        actor: Actor,
        persona: LocalPersona,
    ) -> None:
        add_file()
        submit(draft, actor)
        s3.start_outage()
        send_next(Leases("the test's worker"))
        batch = Batch.objects.get()
        assert (batch.state, batch.problem) == (Batch.State.QUEUED, "storage_unreadable")
        assert persona.ledger() == []
        s3.end_outage()
        time_passes()
        forward()
        assert Batch.objects.get().state == Batch.State.DONE

    def test_interrupted_response_is_an_oserror(self, s3: S3) -> None:
        """The server announces more bytes than it sends."""
        with fixed_response(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as url:
            s3.point_to(url)
            with pytest.raises(OSError, match=r"^S3 did not answer: \w+\.$"):
                default_storage.open(NO_SUCH_FILE)

    def test_missing_credentials_are_an_oserror(
        self, s3: S3, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        s3.point_to(s3.url)  # reads the environment again
        with pytest.raises(OSError, match="NoCredentialsError"):
            default_storage.open(NO_SUCH_FILE)


class TestMissing:
    def test_missing_object_is_file_not_found(self, s3: S3) -> None:
        for operation in (
            default_storage.open,
            default_storage.size,
            default_storage.get_modified_time,
        ):
            with pytest.raises(FileNotFoundError):
                operation(NO_SUCH_FILE)
        assert not default_storage.exists(NO_SUCH_FILE)
        assert default_storage.listdir("imports/1") == ([], [])
        default_storage.delete(NO_SUCH_FILE)

    def test_missing_bucket_is_not_a_missing_image(
        self, s3: S3, add_file: AddFile, actor: Actor
    ) -> None:
        """Otherwise a mistyped bucket name would make every batch fail."""
        image = add_file().image
        keeping.destroy(image)
        s3.client.delete_bucket(Bucket="faces")
        with pytest.raises(OSError, match="NoSuchBucket") as caught:
            default_storage.open(image.storage_key)
        assert type(caught.value) is OSError


class TestReadiness:
    @pytest.fixture(autouse=True)
    def working(self, db: None) -> None:
        jobs.report_alive("the test's worker")

    def test_readyz_is_ready_while_the_bucket_answers(self, s3: S3, client: Client) -> None:
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {"database": True, "storage": True, "worker": True}

    def test_readyz_fails_while_no_server_listens(self, outage: None, client: Client) -> None:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json() == {"database": True, "storage": False, "worker": True}

    def test_readyz_fails_without_the_bucket(self, s3: S3, client: Client) -> None:
        s3.client.delete_bucket(Bucket="faces")
        assert client.get("/readyz").status_code == 503

    def test_readyz_gives_up_on_a_hanging_server_in_3_seconds(self, s3: S3, client: Client) -> None:
        default_storage.probe()  # type: ignore[attr-defined]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            s3.point_to(f"http://127.0.0.1:{listener.getsockname()[1]}")
            start = datetime.now(UTC)
            assert client.get("/readyz").status_code == 503
        assert (datetime.now(UTC) - start).total_seconds() < 3.5
