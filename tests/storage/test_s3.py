"""Images in a bucket of S3, over real HTTP, with a server of its own: what lies there, what if not.

The server is moto's: an S3 that keeps its objects in this process.
"""

import io
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from django.conf import settings as project
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from moto.server import ThreadedMotoServer
from PIL import Image as Picture
from pytest_django import Settings

from config import storage
from importers import faces, intake
from importers.audit import Actor
from importers.forwarding import worker
from importers.forwarding.send import send_next
from importers.intake import StorageTrouble, Taken
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Image, Import
from tests.architecture.test_layers import arrows, is_in
from tests.support.attestations import submit
from tests.support.forwarding import forward, time_passes
from tests.support.pictures import draw

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI-made-up-secret"
OWNER = "the test's worker"
NO_SUCH_FILE = f"imports/1/{'0' * 32}.jpg"
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


@dataclass
class S3:
    """A bucket, as its owner sees it."""

    client: Any
    url: str
    nowhere: str
    lead_to: Callable[[str], None]

    def objects(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket="faces").get("Contents", [])
        return {entry["Key"]: self.read(entry["Key"]) for entry in listed}

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket="faces", Key=key)["Body"].read()
        return data

    def versions(self) -> list[str]:
        answer = self.client.list_object_versions(Bucket="faces")
        rows = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
        return [row["Key"] for row in rows]


@pytest.fixture(scope="module")
def nowhere() -> Iterator[str]:
    """An address that is taken, but where no server listens."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@pytest.fixture
def s3(
    server: str,
    nowhere: str,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> S3:
    """A bucket that is new, to which the settings lead as an operator's environment would."""
    environment = {
        "MEDIA_STORAGE": "s3://faces/consentry",
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def lead_to(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        settings.STORAGES = settings.STORAGES | {"default": storage.of_images(tmp_path)}

    lead_to(server)
    requests.post(f"{server}/moto-api/reset", timeout=5)
    client = boto3.client("s3", region_name="eu-central-1")
    place: Any = {"LocationConstraint": "eu-central-1"}
    client.create_bucket(Bucket="faces", CreateBucketConfiguration=place)
    return S3(client, server, nowhere, lead_to)


def breaks_off(s3: S3) -> None:
    s3.lead_to(s3.nowhere)


def comes_back(s3: S3) -> None:
    s3.lead_to(s3.url)


@pytest.fixture
def outage(s3: S3) -> None:
    breaks_off(s3)


@pytest.fixture
def draft(known_list: FaceList, actor: Actor) -> Import:
    return intake.open_draft(known_list, actor)


@contextmanager
def each_is_told(answer: bytes) -> Iterator[str]:
    """The address of a server that gives everybody the same answer, and hangs up."""

    def serve() -> None:
        while not closing.is_set():
            asking, _ = listening.accept()
            with asking:
                asking.recv(65536)
                asking.sendall(answer)

    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{address[1]}"
        closing.set()
        socket.create_connection(address).close()
        thread.join()


def wire() -> list[tuple[str, Any]]:
    """From here on, every request to S3: its method and itself."""
    sent: list[tuple[str, Any]] = []
    events = default_storage.connection.meta.client.meta.events  # type: ignore[attr-defined]
    events.register("before-send.s3", lambda request, **_: sent.append((request.method, request)))
    return sent


def large_picture() -> bytes:
    """10 MB to the byte: noise in a PNG, with bytes after its end."""
    out = io.BytesIO()
    noise = Picture.frombytes("RGB", (1_000, 1_000), os.urandom(3_000_000))
    noise.save(out, "PNG", compress_level=0)
    return out.getvalue().ljust(10_000_000, b"\x00")


class TestTheWayOfAnImage:
    def test_accepted_image_is_stored_in_the_bucket_unchanged(
        self, s3: S3, give: Callable[..., Taken]
    ) -> None:
        image = give(data=draw(7)).image
        assert s3.objects() == {f"consentry/{image.storage_key}": draw(7)}

    def test_stored_image_is_shown_unchanged(
        self, s3: S3, give: Callable[..., Taken], actor: Actor
    ) -> None:
        image = give(data=draw(7)).image
        assert faces.show(image, actor) == draw(7)
        assert faces.show_small(image, actor)[:2] == b"\xff\xd8"

    def test_stored_image_reaches_persona_unchanged(
        self, s3: S3, give: Callable[..., Taken], draft: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        for seed in range(3):
            give(f"{seed}.jpg", draw(seed))
        submit(draft, actor)
        forward()
        told = [file.sha256 for entry in persona.ledger() for file in entry.files]
        assert sorted(told) == sorted(sha256(draw(seed)).hexdigest() for seed in range(3))
        assert Batch.objects.get().state == Batch.State.DONE

    def test_removal_and_discard_leave_nothing_in_the_bucket(
        self, s3: S3, give: Callable[..., Taken], draft: Import, actor: Actor
    ) -> None:
        first, second = give("a.jpg", draw(1)).image, give("b.jpg", draw(2)).image
        intake.remove(first, actor)
        assert list(s3.objects()) == [f"consentry/{second.storage_key}"]
        intake.discard(draft, actor)
        assert s3.objects() == {}
        assert Image.objects.get().destroyed_at is not None

    def test_destruction_removes_every_version(
        self, s3: S3, give: Callable[..., Taken], draft: Import, actor: Actor
    ) -> None:
        enabled: Any = {"Status": "Enabled"}
        s3.client.put_bucket_versioning(Bucket="faces", VersioningConfiguration=enabled)
        kept = give("a.jpg", draw(1)).image
        intake.remove(give("b.jpg", draw(2)).image, actor)
        assert s3.versions() == [f"consentry/{kept.storage_key}"]
        intake.discard(draft, actor)
        assert s3.versions() == []

    def test_bucket_works_without_a_prefix(
        self,
        s3: S3,
        give: Callable[..., Taken],
        draft: Import,
        actor: Actor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("MEDIA_STORAGE", "s3://faces")
        comes_back(s3)
        image = give().image
        assert s3.objects() == {image.storage_key: draw()}
        default_storage.probe()  # type: ignore[attr-defined]
        intake.discard(draft, actor)
        assert s3.objects() == {}


class TestPrivacy:
    def test_object_key_is_random_and_metadata_is_not_personal(
        self, s3: S3, give: Callable[..., Taken], draft: Import
    ) -> None:
        give("Maya Okafor.jpg")
        (key,) = s3.objects()
        assert re.fullmatch(rf"consentry/imports/{draft.pk}/[0-9a-f]{{32}}\.jpg", key)
        head = s3.client.head_object(Bucket="faces", Key=key)
        assert head["Metadata"] == {}
        assert (head["ContentType"], head["CacheControl"]) == ("image/jpeg", "no-store")
        assert "Maya" not in str(head)

    def test_object_is_readable_only_by_its_owner(self, s3: S3, give: Callable[..., Taken]) -> None:
        sent = wire()
        give()
        (key,) = s3.objects()
        (grant,) = s3.client.get_object_acl(Bucket="faces", Key=key)["Grants"]
        assert grant["Grantee"]["Type"] == "CanonicalUser"
        assert requests.get(f"{s3.url}/faces/{key}", timeout=5).status_code == 403
        assert not [name for _, request in sent for name in request.headers if "acl" in name]

    def test_credentials_are_never_logged(
        self, outage: None, give: Callable[..., Taken], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with pytest.raises(StorageTrouble) as caught:
            give()
        told = f"{caught.value!r} {caught.value.__cause__!r}"
        assert SECRET not in caplog.text + told
        assert KEY_ID not in told


class TestTheWire:
    def test_image_takes_one_put_and_one_get(
        self, s3: S3, give: Callable[..., Taken], actor: Actor
    ) -> None:
        """No multipart upload, whose parts could stay behind unseen."""
        data = large_picture()
        sent = wire()
        image = give("large.png", data).image
        assert [method for method, _ in sent] == ["PUT"]
        assert faces.show(image, actor) == data
        assert [method for method, _ in sent] == ["PUT", "GET"]

    def test_upload_signature_covers_the_bytes_over_tls(
        self, s3: S3, give: Callable[..., Taken]
    ) -> None:
        """So S3 itself refuses a body that changed on its way; every maker's S3 can do that."""
        s3.lead_to(s3.nowhere.replace("http:", "https:"))
        sent = wire()
        with pytest.raises(StorageTrouble):
            give()
        method, request = sent[0]
        assert method == "PUT"
        assert request.headers["X-Amz-Content-SHA256"] == sha256(draw()).hexdigest().encode()
        assert not {"x-amz-trailer", "content-encoding"} & {
            name.lower() for name in request.headers
        }


class TestSweeping:
    @pytest.fixture
    def orphan(self, draft: Import) -> str:
        return default_storage.save(f"imports/{draft.pk}/{'0' * 32}.jpg", ContentFile(draw(4)))

    @pytest.fixture
    def kept(self, s3: S3, give: Callable[..., Taken]) -> str:
        return f"consentry/{give().image.storage_key}"

    def test_sweep_removes_only_files_without_a_row(
        self, s3: S3, draft: Import, kept: str, orphan: str
    ) -> None:
        assert sorted(s3.objects()) == sorted([kept, f"consentry/{orphan}"])
        intake.sweep(draft)
        assert list(s3.objects()) == [kept]

    def test_worker_sweep_spares_recent_files_for_an_hour(
        self, s3: S3, kept: str, orphan: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        intake.sweep_all()
        assert len(s3.objects()) == 2
        monkeypatch.setattr(intake, "ARRIVING_AT_MOST", timedelta(seconds=-60))
        intake.sweep_all()
        assert list(s3.objects()) == [kept]

    def test_sweep_leaves_other_imports_alone(
        self, s3: S3, kept: str, orphan: str, known_list: FaceList, actor: Actor
    ) -> None:
        intake.sweep(intake.open_draft(known_list, actor))
        assert len(s3.objects()) == 2

    def test_worker_destroys_images_after_an_outage(
        self,
        s3: S3,
        kept: str,
        draft: Import,
        signed_in: Client,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        breaks_off(s3)
        answer = signed_in.post(reverse("import_discard", args=[draft.pk]))
        assert answer.status_code == 302
        assert f"import {draft.pk} could not be swept: OSError" in caplog.text
        comes_back(s3)
        assert list(s3.objects()) == [kept]
        monkeypatch.setattr(intake, "ARRIVING_AT_MOST", timedelta(seconds=-60))
        intake.sweep_all()
        assert s3.objects() == {}


class TestOutage:
    def test_upload_during_an_outage_stores_nothing(
        self, outage: None, give: Callable[..., Taken]
    ) -> None:
        with pytest.raises(StorageTrouble):
            give()
        assert not Image.objects.exists()

    @pytest.mark.parametrize(
        "ask",
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
        self, outage: None, ask: Callable[[], object]
    ) -> None:
        with pytest.raises(
            OSError, match=r"^S3 did not answer: EndpointConnectionError\.$"
        ) as told:
            ask()
        assert type(told.value) is OSError

    def test_batch_waits_and_resumes_when_s3_is_back(
        self, s3: S3, give: Callable[..., Taken], draft: Import, actor: Actor, persona: LocalPersona
    ) -> None:
        give()
        submit(draft, actor)
        breaks_off(s3)
        send_next(OWNER)
        batch = Batch.objects.get()
        assert (batch.state, batch.problem) == (Batch.State.QUEUED, "storage_unreadable")
        assert persona.ledger() == []
        comes_back(s3)
        time_passes()
        forward()
        assert Batch.objects.get().state == Batch.State.DONE

    def test_interrupted_response_is_an_oserror(self, s3: S3) -> None:
        """A server that promises more than it sends."""
        with each_is_told(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as url:
            s3.lead_to(url)
            with pytest.raises(OSError, match=r"^S3 did not answer: \w+\.$"):
                default_storage.open(NO_SUCH_FILE)

    def test_missing_credentials_are_an_oserror(
        self, s3: S3, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        comes_back(s3)
        with pytest.raises(OSError, match="NoCredentialsError"):
            default_storage.open(NO_SUCH_FILE)


class TestMissing:
    def test_missing_object_is_file_not_found(self, s3: S3) -> None:
        for ask in (default_storage.open, default_storage.size, default_storage.get_modified_time):
            with pytest.raises(FileNotFoundError):
                ask(NO_SUCH_FILE)
        assert not default_storage.exists(NO_SUCH_FILE)
        assert default_storage.listdir("imports/1") == ([], [])
        default_storage.delete(NO_SUCH_FILE)

    def test_missing_bucket_is_not_a_missing_image(
        self, s3: S3, give: Callable[..., Taken], actor: Actor
    ) -> None:
        """Or else every batch would be given up because of a mistyped name."""
        image = give().image
        intake.remove(image, actor)
        s3.client.delete_bucket(Bucket="faces")
        with pytest.raises(OSError, match="NoSuchBucket") as told:
            default_storage.open(image.storage_key)
        assert type(told.value) is OSError


class TestReadiness:
    @pytest.fixture(autouse=True)
    def working(self, db: None) -> None:
        worker.show_alive(OWNER)

    def test_readyz_is_ready_while_the_bucket_answers(self, s3: S3, client: Client) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"database": True, "storage": True, "worker": True}

    def test_readyz_fails_while_no_server_listens(self, outage: None, client: Client) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"database": True, "storage": False, "worker": True}

    def test_readyz_fails_without_the_bucket(self, s3: S3, client: Client) -> None:
        s3.client.delete_bucket(Bucket="faces")
        assert client.get("/readyz").status_code == 503

    def test_readyz_gives_up_on_a_hanging_server_in_3_seconds(self, s3: S3, client: Client) -> None:
        default_storage.probe()  # type: ignore[attr-defined]
        with socket.create_server(("127.0.0.1", 0)) as listening:
            s3.lead_to(f"http://127.0.0.1:{listening.getsockname()[1]}")
            began = datetime.now(UTC)
            assert client.get("/readyz").status_code == 503
        assert (datetime.now(UTC) - began).total_seconds() < 3.5


def test_only_the_s3_module_uses_boto3() -> None:
    libraries = ("boto3", "botocore", "s3transfer", "storages")
    users = {a.importer for a in arrows() if any(is_in(a.imported, name) for name in libraries)}
    assert users == {"importers.storage.s3"}


def test_folder_storage_does_not_import_boto3(tmp_path: Path) -> None:
    code = (
        "import django, sys; django.setup(); import config.urls\n"
        "from django.core.files.storage import default_storage; default_storage.probe()\n"
        "sys.exit('boto3' in sys.modules)"
    )
    own = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "True",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "MEDIA_STORAGE": f"file:{tmp_path / 'media'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.BASE_DIR, env=own, check=False, timeout=60
    )
    assert done.returncode == 0
