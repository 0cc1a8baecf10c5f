"""Showing a face; each view is recorded."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.storage import default_storage

from importers.audit import trail
from importers.audit.actors import Actor
from importers.models import AuditEvent, Image, Import, Person
from importers.vault import viewing
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
    def gallery(self, add_file: AddFile, draft: Import, actor: Actor) -> list[Image]:
        """Two images that the person sees."""
        shown = [add_file("a.jpg", draw(1)).image, add_file("b.jpg", draw(2)).image]
        viewing.show_gallery(draft, shown, actor)
        return shown

    def galleries(self) -> list[list[int]]:
        """The images of each view of a gallery that was recorded."""
        events = AuditEvent.objects.filter(action="gallery.viewed")
        return [event.details["images"] for event in events]

    def test_one_row_names_every_face_of_a_gallery(
        self, gallery: list[Image], draft: Import, actor: Actor
    ) -> None:
        event = AuditEvent.objects.get(action="gallery.viewed")
        assert (event.object_type, event.object_id) == ("import", str(draft.pk))
        assert event.actor == actor.user
        assert event.details == {"images": [image.pk for image in gallery]}

    def test_same_gallery_is_recorded_again_only_for_new_faces(
        self, gallery: list[Image], draft: Import, actor: Actor, add_file: AddFile
    ) -> None:
        viewing.show_gallery(draft, gallery, actor)
        new = add_file("c.jpg", draw(3)).image
        viewing.show_gallery(draft, [*gallery, new], actor)
        assert self.galleries() == [[image.pk for image in gallery], [new.pk]]

    def test_destroyed_face_is_not_shown(self, add_file: AddFile, actor: Actor) -> None:
        image = add_file().image
        image.destroyed_at = datetime.now(UTC)
        viewing.show_gallery(image.face_import, [image], actor)
        assert self.galleries() == []
        assert not hasattr(image, "viewing")

    def test_thumbnail_of_a_recorded_gallery_is_not_recorded_again(
        self, gallery: list[Image], actor: Actor
    ) -> None:
        for image in gallery:
            viewing.show_thumbnail(image, actor, image.viewing)
        assert views() == []

    @pytest.mark.parametrize("proof", ["", ":x:y", "another image's", "another person's", "old"])
    def test_thumbnail_without_a_valid_proof_is_recorded(
        self,
        proof: str,
        gallery: list[Image],
        actor: Actor,
        draft: Import,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        image, other = gallery
        given = {"another image's": other.viewing, "another person's": image.viewing}
        given["old"] = image.viewing
        if proof == "another person's":
            colleague = Person.objects.create_user("colleague")
            actor = Actor.of_user(colleague, address="", sign_in_method="")
        if proof == "old":
            monkeypatch.setattr(trail, "SAME_ACT", timedelta(seconds=-1))
        viewing.show_thumbnail(image, actor, given.get(proof, proof))
        (event,) = views()
        assert (event.actor, event.object_id) == (actor.user, str(image.pk))


def test_missing_face_is_not_shown_and_not_recorded(image: Image, actor: Actor) -> None:
    default_storage.delete(image.storage_key)
    with pytest.raises(FileNotFoundError):
        viewing.show(image, actor)
    assert views() == []
