"""Receiving uploads on disk, and no more bytes of each than an image may have."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from importers.intake.upload_handler import BoundedFileUploadHandler
from importers.models import Image, Import
from tests.support.pictures import draw
from tests.support.stored_files import stored_files

MEGABYTE = 1_000_000
CHUNK_BYTES = 64 * 1024
Upload = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def upload_folder(settings: Settings, tmp_path: Path) -> Path:
    """The folder for files that are being uploaded."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    return folder


@pytest.fixture
def upload() -> Iterator[Upload]:
    """Upload files in one multipart request and return them as a view gets them."""
    requests = []

    def post(*contents: bytes) -> list[Any]:
        files = [SimpleUploadedFile(f"{n}.jpg", data) for n, data in enumerate(contents)]
        request = RequestFactory().post("/", {"files": files})
        request.upload_handlers = [BoundedFileUploadHandler(request)]
        requests.append(request)
        return request.FILES.getlist("files")

    yield post
    for request in requests:
        request.close()


def test_oversized_upload_writes_little_over_10_mb(
    upload: Upload,
) -> None:
    (file,) = upload(bytes(40 * MEGABYTE))
    assert 10 * MEGABYTE < os.fstat(file.fileno()).st_size <= 10 * MEGABYTE + CHUNK_BYTES
    assert file.size == 40 * MEGABYTE


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 10 * MEGABYTE])
def test_allowed_file_arrives_whole(size: int, upload: Upload) -> None:
    data = os.urandom(size)
    (file,) = upload(data)
    assert file.size == size
    assert file.read() == data


def test_each_file_of_a_request_has_its_own_limit(
    upload: Upload,
) -> None:
    large, small = upload(bytes(15 * MEGABYTE), draw())
    assert (large.size, small.size) == (15 * MEGABYTE, len(draw()))
    assert small.read() == draw()


def test_large_request_is_on_the_disk_without_a_name(upload: Upload, upload_folder: Path) -> None:
    file, _ = upload(draw(), bytes(11 * MEGABYTE))
    on_disk = os.fstat(file.fileno())
    assert (on_disk.st_dev, on_disk.st_nlink) == (upload_folder.stat().st_dev, 0)
    assert list(upload_folder.iterdir()) == []


def test_small_request_needs_no_disk(upload: Upload, settings: Settings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "missing")
    one, other = upload(draw(1), draw(2))
    assert (one.read(), other.read()) == (draw(1), draw(2))


def test_form_rejects_the_oversized_file_and_accepts_the_others(
    signed_in: Client, draft: Import, media: Path, upload_folder: Path
) -> None:
    files = [
        SimpleUploadedFile("film.jpg", bytes(40 * MEGABYTE)),
        SimpleUploadedFile("face.jpg", draw()),
    ]
    response = signed_in.post(reverse("import_upload", args=[draft.pk]), {"files": files})
    assert response.status_code == 302
    rows = Image.objects.values_list("original_name", "state", "reason", "byte_size")
    assert list(rows) == [
        ("film.jpg", "left_out", "too_large", 40 * MEGABYTE),
        ("face.jpg", "accepted", "", len(draw())),
    ]
    assert draw() in stored_files(media).values()
    assert list(upload_folder.iterdir()) == []


class TestStranger:
    @pytest.mark.parametrize("path", ["/account/login/", "/imports/1/files/", "/", "/nowhere/"])
    def test_no_file_of_a_stranger_is_received(self, path: str, db: None) -> None:
        client = Client(enforce_csrf_checks=True)
        client.get("/account/login/")
        token = client.cookies["csrftoken"].value
        files = [SimpleUploadedFile(f"{n}.jpg", b"x") for n in range(999)]
        response = client.post(path, {"csrfmiddlewaretoken": token, "files": files})
        assert not response.wsgi_request.FILES
        assert response.status_code in (302, 404, 413)

    def test_only_the_upload_address_receives_files(self, signed_in: Client, draft: Import) -> None:
        page, upload = f"/imports/{draft.pk}/discard/", f"/imports/{draft.pk}/files/"
        image = SimpleUploadedFile("face.jpg", draw(9))
        assert not signed_in.post(page, {"files": [image]}).wsgi_request.FILES
        image.seek(0)
        assert signed_in.post(upload, {"files": [image]}).wsgi_request.FILES
