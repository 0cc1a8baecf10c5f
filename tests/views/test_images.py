"""Serving images and thumbnails; each view of a face is recorded."""

import re
from collections.abc import Iterable
from datetime import timedelta
from email.parser import BytesParser
from email.policy import HTTP
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from PIL import Image as Picture

from importers.audit import trail
from importers.models import AuditEvent, FaceList, Image, Import, Person, Role
from importers.vault import keeping
from tests.support.makers import MakeDraft
from tests.support.people import PASSWORD, make_person
from tests.support.pictures import draw
from tests.support.stored_files import keys_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(submitted: Import) -> Image:
    return submitted.files.get(original_name="face-0.jpg")


def test_image_is_served_unchanged_and_not_cached(signed_in: Client, image: Image) -> None:
    response = signed_in.get(reverse("image", args=[image.key]))
    assert (response.status_code, response.content) == (200, draw(0))
    assert response.headers["Content-Type"] == "image/jpeg"
    check_headers(response)


def test_png_is_served_as_png(
    signed_in: Client, make_draft: MakeDraft, face_list: FaceList
) -> None:
    draft = make_draft(face_list, 0)
    signed_in.post(
        reverse("import_upload", args=[draft.pk]),
        {"files": [SimpleUploadedFile("really-a-png.jpg", draw(5, kind="PNG"))]},
    )
    response = signed_in.get(reverse("image", args=[draft.files.get().key]))
    assert response.headers["Content-Type"] == "image/png"


def test_thumbnail_is_a_small_jpeg(signed_in: Client, image: Image) -> None:
    response = signed_in.get(reverse("thumbnail", args=[image.key]))
    assert response.headers["Content-Type"] == "image/jpeg"
    check_headers(response)
    with Picture.open(BytesIO(response.content)) as small:
        assert small.format == "JPEG"
        assert max(small.size) <= 400


def check_headers(response: Any) -> None:
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response.headers["Cache-Control"] == "no-store, private"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"


def test_repeated_views_are_recorded_once(signed_in: Client, image: Image, officer: Person) -> None:
    for name in ("thumbnail", "image", "image"):
        signed_in.get(reverse(name, args=[image.key]))
    event = AuditEvent.objects.get(action="face.viewed")
    assert (event.actor, event.object_id) == (officer, str(image.pk))
    assert event.address == "127.0.0.1"
    assert event.details == {"face_import": image.face_import_id}


def thumbnails(client: Client, face_import: Import, keys: Iterable[object]) -> Any:
    return client.get(
        reverse("thumbnails", args=[face_import.pk]), {"key": [str(key) for key in keys]}
    )


def test_thumbnails_of_a_page_come_as_one_form_and_are_one_view(
    signed_in: Client, submitted: Import
) -> None:
    images = list(submitted.files.all())
    response = thumbnails(signed_in, submitted, (image.key for image in images))
    check_headers(response)
    head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + response.content).iter_parts()
    shown = {part.get_param("name", header="content-disposition"): part for part in parts}
    assert {key: part.get_content() for key, part in shown.items()} == {
        str(image.key): keeping.read_thumbnail(image) for image in images
    }
    assert {part.get_content_type() for part in shown.values()} == {"image/jpeg"}
    event = AuditEvent.objects.get(action="gallery.viewed")
    assert event.details == {"images": [image.pk for image in images]}
    assert not AuditEvent.objects.filter(action="face.viewed").exists()


@pytest.mark.parametrize(
    "cause", ["unknown", "destroyed", "rejected", "lost from storage", "another import's"]
)
def test_unavailable_face_is_left_out_of_the_thumbnails(
    cause: str, signed_in: Client, image: Image, make_draft: MakeDraft, face_list: FaceList
) -> None:
    keys = {other.key for other in image.face_import.files.exclude(pk=image.pk)}
    make_unavailable(cause, image)
    asked: UUID = image.key
    if cause == "unknown":
        asked = uuid4()
    elif cause == "another import's":
        asked = make_draft(face_list, 1).files.get().key
    response = thumbnails(signed_in, image.face_import, [asked, *keys])
    names = re.findall(rb'name="([0-9a-f-]{36})"', response.content)
    assert {UUID(name.decode()) for name in names} == keys
    event = AuditEvent.objects.get(action="gallery.viewed")
    assert len(event.details["images"]) == len(keys) == 2


def test_thumbnails_need_keys_of_images(signed_in: Client, submitted: Import) -> None:
    assert thumbnails(signed_in, submitted, ["no-key"]).status_code == 404


def test_later_views_and_other_people_are_recorded_separately(
    signed_in: Client, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person("auditor", Role.AUDITOR)
    other = Client()
    other.post("/account/login/", {"login": "auditor", "password": PASSWORD})
    path = reverse("image", args=[image.key])
    signed_in.get(path)
    other.get(path)
    views = AuditEvent.objects.filter(action="face.viewed")
    assert list(views.values_list("actor_name", flat=True)) == ["officer", "auditor"]
    monkeypatch.setattr(trail, "SAME_ACT", timedelta(0))
    signed_in.get(path)
    assert views.count() == 3


@pytest.mark.parametrize("name", ["image", "thumbnail"])
def test_signed_out_visitor_sees_no_face(name: str, client: Client, image: Image) -> None:
    response = client.get(reverse(name, args=[image.key]))
    assert response.status_code == 302
    assert not AuditEvent.objects.filter(action="face.viewed").exists()


@pytest.mark.parametrize("name", ["image", "thumbnail"])
@pytest.mark.parametrize(
    "cause", ["unknown", "destroyed", "being destroyed", "rejected", "lost from storage"]
)
def test_unavailable_image_is_404_and_not_recorded_as_viewed(
    cause: str, name: str, signed_in: Client, image: Image
) -> None:
    key = uuid4() if cause == "unknown" else image.key
    make_unavailable(cause, image)
    assert signed_in.get(reverse(name, args=[key])).status_code == 404
    assert not AuditEvent.objects.filter(action="face.viewed").exists()


def make_unavailable(cause: str, image: Image) -> None:
    rows = Image.objects.filter(pk=image.pk)
    if cause == "destroyed":
        rows.update(destroyed_at=Now(), storage_key="", thumbnail_key="")
    elif cause == "being destroyed":  # its bytes are still stored
        rows.update(destroyed_at=Now())
    elif cause == "rejected":
        rows.update(state="left_out", reason="damaged")
    elif cause == "lost from storage":
        for stored in keys_of(image):
            default_storage.delete(stored)


@pytest.mark.parametrize("name", ["image", "thumbnail", "thumbnails"])
def test_unreadable_storage_is_503_and_not_recorded_as_viewed(
    name: str, signed_in: Client, image: Image
) -> None:
    key = image.storage_key if name == "image" else image.thumbnail_key
    path = Path(default_storage.path(key))
    path.unlink()
    path.mkdir()
    if name == "thumbnails":
        response = thumbnails(signed_in, image.face_import, [image.key])
    else:
        response = signed_in.get(reverse(name, args=[image.key]))
    assert response.status_code == 503
    assert "cannot be read from storage now" in response.content.decode()
    assert not AuditEvent.objects.filter(action__endswith=".viewed").exists()
