"""Showing a face; each view is recorded."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage

from importers.audit.actors import Actor
from importers.models import AuditEvent, Image, Import, Person
from importers.vault import keeping, viewing
from tests.support.makers import AddFile
from tests.support.pictures import draw


@pytest.fixture
def image(add_file: AddFile) -> Image:
    return add_file().image


def views() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="face.viewed"))


def make_older(by: timedelta) -> None:
    event = views()[-1]
    AuditEvent.objects.filter(pk=event.pk).update(at=event.at - by)


def test_shown_bytes_are_those_that_were_stored(image: Image, actor: Actor) -> None:
    assert viewing.show(image, actor) == draw()


def test_thumbnail_is_a_small_jpeg_and_counts_as_a_view(image: Image, actor: Actor) -> None:
    small = viewing.show_thumbnail(image, actor)
    assert small.startswith(b"\xff\xd8\xff")
    assert small != draw()
    assert len(views()) == 1


def test_view_records_person_and_image(image: Image, actor: Actor, draft: Import) -> None:
    viewing.show(image, actor)
    (event,) = views()
    assert (event.actor, event.address) == (actor.user, "192.0.2.7")
    assert (event.object_type, event.object_id) == ("image", str(image.pk))
    assert event.details == {"face_import": draft.pk}


def test_second_view_within_ten_minutes_is_not_recorded(image: Image, actor: Actor) -> None:
    viewing.show(image, actor)
    viewing.show(image, actor)
    viewing.show_thumbnail(image, actor)
    assert len(views()) == 1


def test_view_after_ten_minutes_is_recorded_again(image: Image, actor: Actor) -> None:
    viewing.show(image, actor)
    make_older(timedelta(minutes=10))
    viewing.show(image, actor)
    assert len(views()) == 2


def test_each_person_and_each_face_has_its_own_view(
    image: Image, actor: Actor, add_file: AddFile
) -> None:
    colleague = Actor.of_user(
        Person.objects.create_user("colleague"), address="", sign_in_method=""
    )
    viewing.show(image, actor)
    viewing.show(image, colleague)
    viewing.show(add_file("b.jpg", draw(1)).image, actor)
    assert len(views()) == 3


class TestGallery:
    @pytest.fixture
    def gallery(self, add_file: AddFile) -> list[Image]:
        return [add_file("a.jpg", draw(1)).image, add_file("b.jpg", draw(2)).image]

    def galleries(self) -> list[list[int]]:
        """The images of each view of a gallery that was recorded."""
        events = AuditEvent.objects.filter(action="gallery.viewed")
        return [event.details["images"] for event in events]

    def test_each_face_is_shown_by_its_thumbnail(
        self, gallery: list[Image], draft: Import, actor: Actor
    ) -> None:
        shown = viewing.show_gallery(draft, gallery, actor)
        assert shown == {image: keeping.read_thumbnail(image) for image in gallery}

    def test_one_row_names_every_face_of_a_gallery(
        self, gallery: list[Image], draft: Import, actor: Actor
    ) -> None:
        viewing.show_gallery(draft, gallery, actor)
        event = AuditEvent.objects.get(action="gallery.viewed")
        assert (event.object_type, event.object_id) == ("import", str(draft.pk))
        assert event.actor == actor.user
        assert event.details == {"images": [image.pk for image in gallery]}

    def test_same_gallery_is_recorded_again_only_for_new_faces(
        self, gallery: list[Image], draft: Import, actor: Actor, add_file: AddFile
    ) -> None:
        viewing.show_gallery(draft, gallery, actor)
        viewing.show_gallery(draft, gallery, actor)
        new = add_file("c.jpg", draw(3)).image
        viewing.show_gallery(draft, [*gallery, new], actor)
        assert self.galleries() == [[image.pk for image in gallery], [new.pk]]

    def test_face_that_is_no_longer_stored_is_not_shown_and_not_recorded(
        self, gallery: list[Image], draft: Import, actor: Actor
    ) -> None:
        lost, stored = gallery
        default_storage.delete(lost.thumbnail_key)
        assert [*viewing.show_gallery(draft, gallery, actor)] == [stored]
        assert self.galleries() == [[stored.pk]]


def test_missing_face_is_not_shown_and_not_recorded(image: Image, actor: Actor) -> None:
    default_storage.delete(image.storage_key)
    with pytest.raises(FileNotFoundError):
        viewing.show(image, actor)
    assert views() == []
