"""Images in a bucket: stored, shown, sent, swept and destroyed over real HTTP."""

import logging
import re
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings as project
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from storages.backends.s3 import S3Storage

from importers.audit.actors import Actor
from importers.intake import drafts
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Image, Import
from importers.vault import keeping, sweeping, viewing
from importers.vault.keeping import StorageUnavailable
from tests.support.attestations import submit
from tests.support.forwarding import forward
from tests.support.makers import AddFile
from tests.support.pictures import draw, draw_largest
from tests.support.s3 import KEY_ID, S3, SECRET, record_requests
from tests.support.stored_files import keys_of

pytestmark = pytest.mark.django_db


def objects_of(*images: Image) -> set[str]:
    return {f"consentry/{key}" for key in keys_of(*images)}


class TestImages:
    def test_accepted_image_is_stored_in_the_bucket_unchanged(
        self, s3: S3, add_file: AddFile
    ) -> None:
        image = add_file(data=draw(7)).image
        assert set(s3.objects()) == objects_of(image)
        assert s3.objects()[f"consentry/{image.storage_key}"] == draw(7)

    def test_stored_image_is_shown_unchanged(self, s3: S3, add_file: AddFile, actor: Actor) -> None:
        image = add_file(data=draw(7)).image
        assert viewing.show(image, actor) == draw(7)
        assert viewing.show_thumbnail(image, actor)[:2] == b"\xff\xd8"

    def test_thumbnails_of_a_page_are_read_together_over_one_connection(
        self, s3: S3, add_file: AddFile, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images = [add_file(f"{n}.jpg", draw(n)).image for n in range(12)]
        made: list[object] = []
        make = S3Storage._create_session

        def note(storage: S3Storage) -> Any:
            made.append(storage)
            return make(storage)

        monkeypatch.setattr(S3Storage, "_create_session", note)
        default_storage._shared = None  # type: ignore[attr-defined]  # as after a start
        shown = viewing.show_gallery(images[0].face_import, images, actor)
        assert {data[:2] for data in shown.values()} == {b"\xff\xd8"}
        assert (len(shown), len(made)) == (12, 1)

    def test_stored_image_reaches_persona_unchanged(
        self,
        s3: S3,
        add_file: AddFile,
        draft: Import,
        actor: Actor,
        persona: LocalPersona,
    ) -> None:
        for seed in range(3):
            add_file(f"{seed}.jpg", draw(seed))
        submit(draft, actor)
        forward()
        arrived = [file.sha256 for entry in persona.ledger() for file in entry.files]
        assert sorted(arrived) == sorted(sha256(draw(seed)).hexdigest() for seed in range(3))
        assert Batch.objects.get().state == Batch.State.DONE

    def test_discard_leaves_nothing_in_the_bucket(
        self, s3: S3, add_file: AddFile, draft: Import, actor: Actor
    ) -> None:
        add_file("a.jpg", draw(1))
        drafts.discard(draft, actor)
        assert s3.objects() == {}
        assert Image.objects.get().destroyed_at is not None

    def test_destruction_removes_every_version(
        self, s3: S3, add_file: AddFile, draft: Import, actor: Actor
    ) -> None:
        enabled: Any = {"Status": "Enabled"}
        s3.client.put_bucket_versioning(Bucket="faces", VersioningConfiguration=enabled)
        kept = add_file("a.jpg", draw(1)).image
        keeping.destroy(add_file("b.jpg", draw(2)).image)
        assert set(s3.versions()) == objects_of(kept)
        drafts.discard(draft, actor)
        assert s3.versions() == []

    def test_bucket_works_without_a_prefix(
        self,
        s3: S3,
        add_file: AddFile,
        draft: Import,
        actor: Actor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("MEDIA_STORAGE", "s3://faces")
        s3.point_to(s3.url)  # reads the environment again
        image = add_file().image
        assert set(s3.objects()) == keys_of(image)
        default_storage.probe()  # type: ignore[attr-defined]
        drafts.discard(draft, actor)
        assert s3.objects() == {}


class TestPrivacy:
    def test_object_key_is_random_and_metadata_is_not_personal(
        self, s3: S3, add_file: AddFile, draft: Import
    ) -> None:
        add_file("Maya Okafor.jpg")
        for key in s3.objects():
            assert re.fullmatch(rf"consentry/imports/{draft.pk}/[0-9a-f]{{32}}\.jpg", key)
            head = s3.client.head_object(Bucket="faces", Key=key)
            assert head["Metadata"] == {}
            assert (head["ContentType"], head["CacheControl"]) == ("image/jpeg", "no-store")
            assert "Maya" not in str(head)

    def test_object_is_readable_only_by_its_owner(self, s3: S3, add_file: AddFile) -> None:
        sent = record_requests()
        add_file()
        key = next(iter(s3.objects()))
        (grant,) = s3.client.get_object_acl(Bucket="faces", Key=key)["Grants"]
        assert grant["Grantee"]["Type"] == "CanonicalUser"
        assert requests.get(f"{s3.url}/faces/{key}", timeout=5).status_code == 403
        assert not [name for _, request in sent for name in request.headers if "acl" in name]

    def test_credentials_are_never_logged(
        self, outage: None, add_file: AddFile, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with pytest.raises(StorageUnavailable) as caught:
            add_file()
        errors = f"{caught.value!r} {caught.value.__cause__!r}"
        assert SECRET not in caplog.text + errors
        assert KEY_ID not in errors


class TestRequests:
    def test_image_and_thumbnail_take_one_put_and_one_get_each(
        self, s3: S3, add_file: AddFile, actor: Actor
    ) -> None:
        """A multipart upload could leave parts behind unseen."""
        data = draw_largest()
        sent = record_requests()
        image = add_file("large.png", data).image
        assert [method for method, _ in sent] == ["PUT", "PUT"]
        assert viewing.show(image, actor) == data
        viewing.show_thumbnail(image, actor)
        assert [method for method, _ in sent] == ["PUT", "PUT", "GET", "GET"]

    def test_upload_signature_covers_the_bytes_over_tls(self, s3: S3, add_file: AddFile) -> None:
        """S3 itself refuses a body that changed on its way, with every S3-compatible server."""
        s3.point_to(s3.silent_url.replace("http:", "https:"))
        sent = record_requests()
        with pytest.raises(StorageUnavailable):
            add_file()
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
    def kept(self, s3: S3, add_file: AddFile) -> set[str]:
        return objects_of(add_file().image)

    def test_sweep_removes_only_files_without_a_row(
        self, s3: S3, draft: Import, kept: set[str], orphan: str
    ) -> None:
        assert set(s3.objects()) == {*kept, f"consentry/{orphan}"}
        sweeping.sweep(draft)
        assert set(s3.objects()) == kept

    def test_worker_sweep_spares_recent_files_for_an_hour(
        self, s3: S3, kept: set[str], orphan: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sweeping.sweep_recent()
        assert len(s3.objects()) == len(kept) + 1
        monkeypatch.setattr(sweeping, "LONGEST_UPLOAD", timedelta(seconds=-60))
        sweeping.sweep_recent()
        assert set(s3.objects()) == kept

    def test_sweep_leaves_other_imports_alone(
        self, s3: S3, kept: set[str], orphan: str, known_list: FaceList, actor: Actor
    ) -> None:
        sweeping.sweep(drafts.open_draft(known_list, actor))
        assert len(s3.objects()) == len(kept) + 1

    def test_worker_destroys_images_after_an_outage(
        self,
        s3: S3,
        kept: set[str],
        draft: Import,
        signed_in: Client,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        s3.start_outage()
        response = signed_in.post(reverse("import_discard", args=[draft.pk]))
        assert response.status_code == 302
        assert f"import {draft.pk} could not be swept: OSError" in caplog.text
        s3.end_outage()
        assert set(s3.objects()) == kept
        monkeypatch.setattr(sweeping, "LONGEST_UPLOAD", timedelta(seconds=-60))
        sweeping.sweep_recent()
        assert s3.objects() == {}


def test_only_the_s3_module_uses_boto3() -> None:
    root = Path(project.BASE_DIR)
    product = [root / "manage.py", *root.glob("config/**/*.py"), *root.glob("importers/**/*.py")]
    imports = re.compile(r"^\s*(from|import) (boto3|botocore|s3transfer|storages)\b", re.MULTILINE)
    users = [path for path in product if imports.search(path.read_text(encoding="utf-8"))]
    assert users == [root / "importers/storage/s3.py"]


def test_folder_storage_does_not_import_boto3(tmp_path: Path) -> None:
    code = (
        "import django, sys; django.setup(); import config.urls\n"
        "from django.core.files.storage import default_storage; default_storage.probe()\n"
        "sys.exit('boto3' in sys.modules)"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "True",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "MEDIA_STORAGE": f"file:{tmp_path / 'media'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.BASE_DIR, env=environment, check=False, timeout=60
    )
    assert done.returncode == 0
