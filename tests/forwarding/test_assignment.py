"""A row of an image or its batch cannot be changed after signing without being found."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding import assignment
from importers.models import FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.makers import MakeDraft

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
CHANGES: dict[str, Any] = {
    "key": uuid.UUID(int=7),
    "sha256": "0" * 64,
    "original_name": "another.jpg",
    "byte_size": F("byte_size") + 1,
    "format": "PNG",
    "width": F("width") + 1,
    "height": F("height") + 1,
    "uploaded_at": F("uploaded_at") + timedelta(microseconds=1),
    "included_because": "Because.",
}


@pytest.fixture
def sent(make_draft: MakeDraft, face_list: FaceList, actor: Actor, settings: Settings) -> Import:
    """Two batches of two images each."""
    settings.BATCH_MAX_IMAGES = 2
    return submit(make_draft(face_list, 4), actor)


def test_untouched_images_are_whole(sent: Import) -> None:
    assert list(assignment.find_breaks()) == []


@pytest.mark.parametrize("field", CHANGES)
def test_changed_row_is_found(field: str, sent: Import) -> None:
    Image.objects.filter(pk=sent.files.earliest("pk").pk).update(**{field: CHANGES[field]})
    (sentence,) = assignment.find_breaks()
    assert sentence.startswith(f"Import {sent.pk}: An image's row or its batch was changed")


def test_images_exchanged_between_batches_are_found(sent: Import) -> None:
    first, second = sent.batches.order_by("number")
    one, other = first.images.earliest("pk"), second.images.earliest("pk")
    Image.objects.filter(pk=one.pk).update(batch=second)
    Image.objects.filter(pk=other.pk).update(batch=first)
    assert len(list(assignment.find_breaks())) == 1


def test_destroyed_image_stays_whole(sent: Import) -> None:
    Image.objects.update(storage_key="", thumbnail_key="", destroyed_at=F("uploaded_at"))
    assert list(assignment.find_breaks()) == []
