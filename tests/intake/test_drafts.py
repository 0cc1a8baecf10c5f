"""Changing and discarding a draft; every act is recorded in the audit trail."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError

from importers.audit.actors import Actor
from importers.intake import drafts, files
from importers.intake.drafts import NotADraft
from importers.models import AuditEvent, FaceList, Image, Import
from importers.vault import viewing
from tests.support.attestations import submit
from tests.support.files import incoming, receive_one, remove_one
from tests.support.makers import AddFile
from tests.support.pictures import draw
from tests.support.stored_files import keys_of, stored_files
from tests.support.trail import actions, block_the_next_row, breaks

pytestmark = pytest.mark.on_both_databases


class TestChanges:
    def test_rejected_file_can_be_removed(self, add_file: AddFile, actor: Actor) -> None:
        remove_one(add_file("a.txt", b"a").image, actor)
        assert not Image.objects.exists()

    def test_removing_twice_is_recorded_once(self, add_file: AddFile, actor: Actor) -> None:
        image = add_file().image
        remove_one(image, actor)
        remove_one(image, actor)
        assert actions().count("images.removed") == 1

    def test_clearing_rejected_files_keeps_accepted_images(
        self, add_file: AddFile, draft: Import, actor: Actor, media: Path
    ) -> None:
        kept = add_file().image
        add_file("a.txt", b"a")
        add_file("b.txt", b"b")
        assert files.clear_rejected(draft, actor) == 2
        assert list(Image.objects.all()) == [kept]
        assert set(stored_files(media)) == keys_of(kept)

    def test_clearing_leaves_other_imports_alone(
        self, draft: Import, add_file: AddFile, face_list: FaceList, actor: Actor
    ) -> None:
        rejected = add_file("a.txt", b"a").image
        assert files.clear_rejected(drafts.open_draft(face_list, actor), actor) == 0
        assert list(Image.objects.all()) == [rejected]

    def test_list_of_a_draft_can_be_changed(
        self, draft: Import, actor: Actor, face_list: FaceList
    ) -> None:
        other = FaceList.objects.create(environment="local", persona_id="lst_other")
        drafts.change_list(draft, other, actor)
        draft.refresh_from_db()
        assert draft.face_list == other

    def test_discarding_destroys_bytes_and_keeps_rows_and_hashes(
        self, add_file: AddFile, draft: Import, actor: Actor, media: Path
    ) -> None:
        images = [add_file(f"{seed}.jpg", draw(seed)).image for seed in range(3)]
        rejected = add_file("a.txt", b"a").image
        drafts.discard(draft, actor)
        draft.refresh_from_db()
        assert draft.state == Import.State.CANCELED
        assert stored_files(media) == {}
        kept = Image.objects.exclude(pk=rejected.pk)
        assert [image.sha256 for image in kept] == [image.sha256 for image in images]
        assert all(image.destroyed_at and keys_of(image) == {""} for image in kept)
        rejected.refresh_from_db()
        assert rejected.destroyed_at is None

    def test_discarding_leaves_other_imports_alone(
        self, draft: Import, add_file: AddFile, face_list: FaceList, actor: Actor
    ) -> None:
        image = add_file().image
        drafts.discard(drafts.open_draft(face_list, actor), actor)
        image.refresh_from_db()
        assert default_storage.exists(image.storage_key)
        assert image.destroyed_at is None


class TestAfterTheDraft:
    @pytest.fixture(params=["sent", "discarded"])
    def ended(self, request: pytest.FixtureRequest, add_file: AddFile, actor: Actor) -> Import:
        """An import with one accepted and one rejected file that is no longer a draft."""
        face_import = add_file().image.face_import
        add_file("a.txt", b"a")
        if request.param == "sent":
            return submit(face_import, actor)
        drafts.discard(face_import, actor)
        return face_import

    @pytest.mark.parametrize(
        "change",
        [
            lambda ended, actor: receive_one(ended, incoming("new.jpg", draw(9)), actor),
            lambda ended, actor: receive_one(ended, incoming("new.txt", b"new"), actor),
            lambda ended, actor: receive_one(ended, incoming("face.jpg", draw()), actor),
            lambda ended, actor: remove_one(ended.files.get(reason=""), actor),
            lambda ended, actor: remove_one(ended.files.exclude(reason="").get(), actor),
            lambda ended, actor: files.clear_rejected(ended, actor),
            lambda ended, actor: drafts.change_list(ended, ended.face_list, actor),
            lambda ended, actor: drafts.discard(ended, actor),
        ],
        ids=[
            *("add an image", "add a rejected file", "add the same image", "remove an image"),
            *("remove a rejected file", "clear", "change the list", "discard"),
        ],
    )
    def test_import_that_is_no_longer_a_draft_cannot_change(
        self, change: Callable[[Import, Actor], object], ended: Import, actor: Actor, media: Path
    ) -> None:
        rows = Image.objects.values(), Import.objects.values(), AuditEvent.objects.values()
        before = [list(table) for table in rows], stored_files(media)
        with pytest.raises(NotADraft):
            change(ended, actor)
        assert ([list(table.all()) for table in rows], stored_files(media)) == before

    def test_stale_draft_object_accepts_no_file(
        self, add_file: AddFile, draft: Import, actor: Actor, media: Path
    ) -> None:
        """Another tab submitted it: the row decides, not the object that was read before."""
        add_file()
        submit(Import.objects.get(pk=draft.pk), actor)
        before = stored_files(media)
        assert draft.is_draft
        with pytest.raises(NotADraft):
            add_file("late.jpg", draw(5))
        assert stored_files(media) == before
        assert Image.objects.count() == 1


ACTS: dict[str, Callable[[Image, Image, Actor], object]] = {
    "import.drafted": lambda image, rejected, actor: drafts.open_draft(
        image.face_import.face_list, actor
    ),
    "import.list_changed": lambda image, rejected, actor: drafts.change_list(
        image.face_import, FaceList.objects.get(persona_id="lst_other"), actor
    ),
    "images.received": lambda image, rejected, actor: files.receive(
        image.face_import,
        [incoming("new.jpg", draw(9)), incoming("newer.jpg", draw(8)), incoming("new.txt", b"new")],
        actor,
    ),
    "images.removed": lambda image, rejected, actor: remove_one(image, actor),
    "left_out.cleared": lambda image, rejected, actor: files.clear_rejected(
        rejected.face_import, actor
    ),
    "import.discarded": lambda image, rejected, actor: drafts.discard(image.face_import, actor),
    "face.viewed": lambda image, rejected, actor: viewing.show(image, actor),
}


class TestAuditTrail:
    @pytest.fixture
    def two_images(self, add_file: AddFile, face_list: FaceList) -> tuple[Image, Image]:
        """An accepted image and a rejected file."""
        FaceList.objects.create(environment="local", persona_id="lst_other")
        return add_file().image, add_file("a.txt", b"a").image

    @pytest.mark.parametrize("action", ACTS)
    def test_every_act_writes_one_audit_row(
        self, action: str, two_images: tuple[Image, Image], actor: Actor
    ) -> None:
        before = actions()
        ACTS[action](*two_images, actor)
        assert actions() == [*before, action]
        event = AuditEvent.objects.last()
        assert event is not None
        assert (event.actor, event.actor_name) == (actor.user, "officer")
        assert event.address == "192.0.2.7"
        assert breaks() == []

    @pytest.mark.parametrize("action", ACTS)
    def test_act_that_cannot_be_recorded_does_not_happen(
        self, action: str, two_images: tuple[Image, Image], actor: Actor, media: Path
    ) -> None:
        block_the_next_row()
        tables = Image.objects.values(), Import.objects.values()
        before = [list(table) for table in tables], stored_files(media)
        with pytest.raises(IntegrityError):
            ACTS[action](*two_images, actor)
        assert ([list(table.all()) for table in tables], stored_files(media)) == before

    def test_audit_rows_name_import_hash_reason_and_count(
        self, draft: Import, actor: Actor, add_file: AddFile
    ) -> None:
        image, rejected = add_file().image, add_file("a.txt", b"a").image
        remove_one(image, actor)
        files.clear_rejected(draft, actor)
        drafts.discard(draft, actor)
        rows = AuditEvent.objects.values_list("action", "object_type", "object_id", "details")
        assert list(rows) == [
            ("import.drafted", "import", str(draft.pk), {"list": "lst_unknown"}),
            (
                *("images.received", "import", str(draft.pk)),
                {"accepted": {str(image.pk): image.sha256}, "rejected": {}},
            ),
            (
                *("images.received", "import", str(draft.pk)),
                {"accepted": {}, "rejected": {str(rejected.pk): "not_jpeg_or_png"}},
            ),
            ("images.removed", "import", str(draft.pk), {"sha256": [image.sha256]}),
            ("left_out.cleared", "import", str(draft.pk), {"count": 1}),
            ("import.discarded", "import", str(draft.pk), {"destroyed": 1}),
        ]

    def test_audit_rows_hold_no_file_name(self, add_file: AddFile, actor: Actor) -> None:
        """A file name can be a person's name, and the trail outlives the image."""
        image = add_file("Erika Mustermann.jpg").image
        add_file("Erika Mustermann.jpg", b"bad")
        remove_one(image, actor)
        assert "Mustermann" not in str(list(AuditEvent.objects.values()))
