"""Files in, images of a draft out: what lies then in the database, on the disk, in the trail."""

import errno
import io
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import IntegrityError, connection
from django.db.models.functions import Now
from django.test import Client, RequestFactory
from django.urls import reverse
from PIL import Image as Picture
from pytest_django import Settings

from importers import audit, faces, intake
from importers.audit import Actor
from importers.intake import NotADraft, StorageTrouble, Taken
from importers.models import AuditEvent, AuditHead, FaceList, Image, Import
from importers.storage import DurableFileStorage
from tests.support.attestations import submit
from tests.support.pictures import draw

STORED_NAME = r"imports/{import_id}/[0-9a-f]{{32}}\.{extension}"


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def written() -> list[str]:
    return list(AuditEvent.objects.values_list("action", flat=True))


class TestAccepting:
    def test_accepted_file_is_stored_unchanged(
        self, give: Callable[..., Taken], media: Path
    ) -> None:
        data = draw(7)
        image = give("Maya.jpg", data).image
        assert tree(media) == {image.storage_key: data}

    def test_row_records_name_size_hash_format_and_pixels(
        self, give: Callable[..., Taken], draft: Import
    ) -> None:
        data = draw(7, size=(300, 240))
        taken = give("Maya Okafor.jpg", data)
        image = Image.objects.get()
        assert taken == Taken(image, new=True)
        assert image.face_import == draft
        assert image.state == Image.State.ACCEPTED
        assert image.original_name == "Maya Okafor.jpg"
        assert image.byte_size == len(data)
        assert image.sha256 == sha256(data).hexdigest()
        assert (image.format, image.width, image.height) == ("JPEG", 300, 240)
        assert (image.reason, image.explanation) == ("", "")
        assert image.destroyed_at is None

    def test_storage_key_is_random(self, give: Callable[..., Taken], draft: Import) -> None:
        one, other = give("a.jpg", draw(1)).image, give("b.jpg", draw(2)).image
        pattern = STORED_NAME.format(import_id=draft.pk, extension="jpg")
        for image in (one, other):
            assert re.fullmatch(pattern, image.storage_key)
            assert image.sha256[:8] not in image.storage_key
            assert image.key.hex not in image.storage_key
        assert one.storage_key != other.storage_key

    def test_format_comes_from_the_bytes_not_the_name(self, give: Callable[..., Taken]) -> None:
        image = give("face.png", draw()).image
        assert (image.format, image.content_type) == ("JPEG", "image/jpeg")
        assert image.storage_key.endswith(".jpg")
        other = give("face.jpg", draw(kind="PNG")).image
        assert (other.format, other.content_type) == ("PNG", "image/png")
        assert other.storage_key.endswith(".png")

    def test_stored_file_is_readable_only_by_the_server(
        self, give: Callable[..., Taken], media: Path
    ) -> None:
        umask = os.umask(0)
        try:
            stored = media / give().image.storage_key
        finally:
            os.umask(umask)
        assert stat.S_IMODE(stored.stat().st_mode) == 0o600
        folders = [stored.parent, stored.parent.parent, media]
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3

    def test_file_and_folders_are_flushed_before_the_row(
        self, give: Callable[..., Taken], media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flushed: set[int] = set()
        rows: set[int] = set()
        really = os.fsync

        def fsync(descriptor: int) -> None:
            really(descriptor)
            flushed.add(os.fstat(descriptor).st_ino)
            rows.add(Image.objects.count())

        monkeypatch.setattr(os, "fsync", fsync)
        stored = media / give().image.storage_key
        paths = [stored, stored.parent, stored.parent.parent, media]
        assert {path.stat().st_ino for path in paths} <= flushed
        assert rows == {0}


class TestGivingAgain:
    def test_same_file_twice_changes_nothing(self, give: Callable[..., Taken], media: Path) -> None:
        first = give("a.jpg")
        before = tree(media), list(Image.objects.values()), written()
        second = give("a.jpg")
        assert second == Taken(first.image, new=False)
        assert (tree(media), list(Image.objects.values()), written()) == before

    def test_rejected_file_twice_has_one_row(self, give: Callable[..., Taken], media: Path) -> None:
        first = give("notes.txt", b"hello")
        second = give("notes.txt", b"hello")
        assert first.new
        assert second == Taken(first.image, new=False)
        assert Image.objects.count() == 1
        assert written().count("image.left_out") == 1

    def test_same_bytes_under_another_name_are_a_duplicate(
        self, give: Callable[..., Taken], media: Path
    ) -> None:
        first = give("a.jpg").image
        taken = give("b.jpg")
        assert taken.new
        assert taken.image.state == Image.State.LEFT_OUT
        assert taken.image.reason == "duplicate"
        sentence = "The same picture is already in this import, as a.jpg."
        assert taken.image.explanation == sentence
        assert taken.image.sha256 == first.sha256
        assert list(tree(media)) == [first.storage_key]

    def test_same_name_with_other_bytes_is_another_image(
        self, give: Callable[..., Taken], media: Path
    ) -> None:
        keys = {give("a.jpg", draw(1)).image.storage_key, give("a.jpg", draw(2)).image.storage_key}
        assert set(tree(media)) == keys
        assert len(keys) == 2

    def test_same_file_is_accepted_in_another_import(
        self, give: Callable[..., Taken], face_list: FaceList, actor: Actor
    ) -> None:
        give("a.jpg")
        other = intake.open_draft(face_list, actor)
        data = draw()
        assert intake.take(other, "a.jpg", data, len(data), actor).new
        assert Image.objects.filter(state=Image.State.ACCEPTED).count() == 2

    def test_duplicate_is_accepted_once_the_first_is_removed(
        self, give: Callable[..., Taken], actor: Actor, media: Path
    ) -> None:
        intake.remove(give("a.jpg").image, actor)
        image = give("b.jpg").image
        assert image.state == Image.State.ACCEPTED
        assert list(tree(media)) == [image.storage_key]

    @pytest.mark.django_db(transaction=True)
    def test_same_bytes_sent_at_once_add_one_image(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        data, start = draw(), threading.Barrier(2)

        def give(name: str) -> str:
            start.wait(timeout=10)
            try:
                return intake.take(draft, name, data, len(data), actor).image.state
            finally:
                connection.close()

        for round_of_two in range(5):
            data = draw(round_of_two)
            with ThreadPoolExecutor(2) as pool:
                states = list(pool.map(give, ["a.jpg", "b.jpg"]))
            assert sorted(states) == ["accepted", "left_out"]
        accepted = Image.objects.filter(state=Image.State.ACCEPTED)
        assert sorted(tree(media)) == sorted(accepted.values_list("storage_key", flat=True))
        assert accepted.count() == 5
        assert list(audit.breaks()) == []

    @pytest.mark.django_db(transaction=True)
    def test_same_file_sent_at_once_is_added_once(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        data, start = draw(), threading.Barrier(2)

        def give(_: int) -> bool:
            start.wait(timeout=10)
            try:
                return intake.take(draft, "a.jpg", data, len(data), actor).new
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(give, range(2))) == [False, True]
        assert list(tree(media)) == [Image.objects.get().storage_key]


def left_out_files() -> dict[str, tuple[bytes, str]]:
    return {
        "empty": (b"", "The file is empty (0 bytes)."),
        "too_large": (b"x" * 10_000_001, "The file is 10.0 MB; at most 10 MB is taken."),
        "not_jpeg_or_png": (
            b"%PDF-1.7",
            "The file is a PDF document; only JPEG and PNG are taken.",
        ),
        "too_few_pixels": (
            draw(size=(199, 240)),
            "The picture is 199 × 240 pixels; at least 200 × 200 are needed.",
        ),
        "damaged": (
            draw()[:-100],
            "The picture is damaged or cut short: not all of it can be decoded.",
        ),
    }


class TestLeavingOut:
    @pytest.mark.parametrize("code", left_out_files())
    def test_rejected_file_has_a_reason_and_no_stored_file(
        self, code: str, give: Callable[..., Taken], draft: Import, media: Path
    ) -> None:
        data, sentence = left_out_files()[code]
        taken = give("some name.jpg", data)
        image = Image.objects.get()
        assert taken == Taken(image, new=True)
        assert (image.state, image.reason) == (Image.State.LEFT_OUT, code)
        assert image.explanation == sentence
        assert image.original_name == "some name.jpg"
        assert image.byte_size == len(data)
        assert image.sha256 == (sha256(data).hexdigest() if data else "")
        assert (image.face_import, image.storage_key) == (draft, "")
        assert tree(media) == {}

    def test_size_alone_rejects_a_file_that_is_too_large(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        intake.take(draft, "film.jpg", b"", 4_000_000_000, actor)
        image = Image.objects.get()
        assert (image.reason, image.byte_size, image.sha256) == ("too_large", 4_000_000_000, "")
        assert image.explanation == "The file is 4000.0 MB; at most 10 MB is taken."

    def test_rejected_files_of_one_name_have_a_row_each(self, give: Callable[..., Taken]) -> None:
        give("a.jpg", b"one")
        give("a.jpg", b"two")
        assert Image.objects.count() == 2

    def test_rejected_file_leaves_accepted_images_alone(
        self, give: Callable[..., Taken], media: Path
    ) -> None:
        good = give("good.jpg").image
        give("bad.jpg", b"bad")
        good.refresh_from_db()
        assert good.state == Image.State.ACCEPTED
        assert list(tree(media)) == [good.storage_key]


NAMES = [  # after shared/corpus/bad/made/filenames.json
    "../../etc/passwd.jpg",
    "..\\..\\windows\\win.ini.jpg",
    "/etc/passwd.jpg",
    "C:evil.jpg",
    ".",
    "..",
    " ",
    ".htaccess",
    "a.php.jpg",
    "a%00.jpg",
    "a\r\nX: 1.jpg",
    "\u202egpj.exe",
    "con.jpg",
    'a"b.jpg',
    "a'b.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "{{7*7}}.jpg",
    "=cmd|'/c calc'!A1.jpg",
    "-rf.jpg",
    "$(touch x).jpg",
    "x" * 300 + ".jpg",
    "Zu\u0308rich.jpg",
    "Z\u00fcrich.jpg",
    "\u4f60\u597d.jpg",
    "a.jpg::$DATA",
    "noextension",
]


class TestNames:
    @pytest.mark.parametrize("data", [draw(), b"not a picture"], ids=["accepted", "left out"])
    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_file_name_is_kept_and_never_used_as_a_path(
        self, name: str, data: bytes, give: Callable[..., Taken], media: Path, tmp_path: Path
    ) -> None:
        before = tree(tmp_path)
        image = Image.objects.get(pk=give(name, data).image.pk)
        assert image.original_name == name
        new = set(tree(tmp_path)) - set(before)
        assert new == ({f"media/{image.storage_key}"} if image.storage_key else set())

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("", "(no name)"),
            ("a.jpg\x00.php", "a.jpg\ufffd.php"),
            ("lone\ud800.jpg", "lone?.jpg"),
            ("x" * 10_000, "x" * 4_096),
            ("é" * 5_000, "é" * 4_096),
        ],
        ids=["none", "NUL", "lone surrogate", "10,000 letters", "10,000 bytes"],
    )
    def test_name_that_no_database_can_hold_is_cleaned(
        self, given: str, kept: str, give: Callable[..., Taken], media: Path
    ) -> None:
        taken = give(given)
        assert Image.objects.get().original_name == kept
        assert give(given) == Taken(taken.image, new=False)
        assert list(tree(media)) == [taken.image.storage_key]

    def test_two_spellings_of_a_name_are_two_names(self, give: Callable[..., Taken]) -> None:
        give("Zu\u0308rich.jpg")
        assert give("Z\u00fcrich.jpg").image.reason == "duplicate"


class TestChangingADraft:
    def test_removed_image_is_deleted_with_its_bytes(
        self, give: Callable[..., Taken], actor: Actor, media: Path
    ) -> None:
        kept, removed = give("a.jpg", draw(1)).image, give("b.jpg", draw(2)).image
        intake.remove(removed, actor)
        assert list(Image.objects.all()) == [kept]
        assert list(tree(media)) == [kept.storage_key]

    def test_rejected_file_can_be_removed(self, give: Callable[..., Taken], actor: Actor) -> None:
        intake.remove(give("a.txt", b"a").image, actor)
        assert not Image.objects.exists()

    def test_removing_twice_is_recorded_once(
        self, give: Callable[..., Taken], actor: Actor
    ) -> None:
        image = give().image
        intake.remove(image, actor)
        intake.remove(image, actor)
        assert written().count("image.removed") == 1

    def test_clearing_rejected_files_keeps_accepted_images(
        self, give: Callable[..., Taken], draft: Import, actor: Actor, media: Path
    ) -> None:
        kept = give().image
        give("a.txt", b"a")
        give("b.txt", b"b")
        assert intake.remove_left_out(draft, actor) == 2
        assert list(Image.objects.all()) == [kept]
        assert list(tree(media)) == [kept.storage_key]

    def test_clearing_leaves_other_imports_alone(
        self, draft: Import, give: Callable[..., Taken], face_list: FaceList, actor: Actor
    ) -> None:
        line = give("a.txt", b"a").image
        assert intake.remove_left_out(intake.open_draft(face_list, actor), actor) == 0
        assert list(Image.objects.all()) == [line]

    def test_list_of_a_draft_can_be_changed(
        self, draft: Import, actor: Actor, face_list: FaceList
    ) -> None:
        other = FaceList.objects.create(environment="local", persona_id="lst_other")
        intake.change_list(draft, other, actor)
        draft.refresh_from_db()
        assert draft.face_list == other

    def test_discarding_destroys_bytes_and_keeps_rows_and_hashes(
        self, give: Callable[..., Taken], draft: Import, actor: Actor, media: Path
    ) -> None:
        given = [give(f"{seed}.jpg", draw(seed)).image for seed in range(3)]
        line = give("a.txt", b"a").image
        intake.discard(draft, actor)
        draft.refresh_from_db()
        assert draft.state == Import.State.CANCELED
        assert tree(media) == {}
        kept = Image.objects.exclude(pk=line.pk)
        assert [image.sha256 for image in kept] == [image.sha256 for image in given]
        assert all(image.destroyed_at and not image.storage_key for image in kept)
        line.refresh_from_db()
        assert line.destroyed_at is None

    def test_discarding_leaves_other_imports_alone(
        self, draft: Import, give: Callable[..., Taken], face_list: FaceList, actor: Actor
    ) -> None:
        image = give().image
        intake.discard(intake.open_draft(face_list, actor), actor)
        image.refresh_from_db()
        assert default_storage.exists(image.storage_key)
        assert image.destroyed_at is None


class TestAfterTheDraft:
    @pytest.fixture(params=["sent", "discarded"])
    def ended(
        self, request: pytest.FixtureRequest, give: Callable[..., Taken], actor: Actor
    ) -> Import:
        """An import with one image and one line, that is no draft any more."""
        face_import = give().image.face_import
        give("a.txt", b"a")
        if request.param == "sent":
            return submit(face_import, actor)
        intake.discard(face_import, actor)
        return face_import

    @pytest.mark.parametrize(
        "change",
        [
            lambda ended, actor: intake.take(ended, "new.jpg", draw(9), len(draw(9)), actor),
            lambda ended, actor: intake.take(ended, "new.txt", b"new", 3, actor),
            lambda ended, actor: intake.take(ended, "face.jpg", draw(), len(draw()), actor),
            lambda ended, actor: intake.remove(ended.files.get(reason=""), actor),
            lambda ended, actor: intake.remove(ended.files.exclude(reason="").get(), actor),
            lambda ended, actor: intake.remove_left_out(ended, actor),
            lambda ended, actor: intake.change_list(ended, ended.face_list, actor),
            lambda ended, actor: intake.discard(ended, actor),
        ],
        ids=[
            *("add a picture", "add a line", "add the same again", "remove a picture"),
            *("remove a line", "clear", "change the list", "discard"),
        ],
    )
    def test_import_that_is_no_longer_a_draft_cannot_change(
        self, change: Callable[[Import, Actor], object], ended: Import, actor: Actor, media: Path
    ) -> None:
        rows = Image.objects.values(), Import.objects.values(), AuditEvent.objects.values()
        before = [list(table) for table in rows], tree(media)
        with pytest.raises(NotADraft):
            change(ended, actor)
        assert ([list(table.all()) for table in rows], tree(media)) == before

    def test_stale_draft_object_accepts_no_file(
        self, give: Callable[..., Taken], draft: Import, actor: Actor, media: Path
    ) -> None:
        """Another tab sent it: the row decides, not the object that was read before."""
        give()
        submit(Import.objects.get(pk=draft.pk), actor)
        before = tree(media)
        assert draft.is_draft
        with pytest.raises(NotADraft):
            give("late.jpg", draw(5))
        assert tree(media) == before
        assert Image.objects.count() == 1


class FullDisk(DurableFileStorage):
    """Fails once part of the file lies there, as a disk does that fills up."""

    def _save(self, name: str, content: Any) -> str:
        super()._save(name, content)
        os.truncate(self.path(name), 100)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def use_storage(settings: Settings, media: Path, name: str) -> None:
    backend = {"BACKEND": f"{__name__}.{name}", "OPTIONS": {"location": str(media)}}
    settings.STORAGES = settings.STORAGES | {"default": backend}


class TestStorageTrouble:
    def test_full_disk_leaves_neither_row_nor_file(
        self, give: Callable[..., Taken], settings: Settings, media: Path
    ) -> None:
        use_storage(settings, media, "FullDisk")
        before = written()
        with pytest.raises(StorageTrouble) as caught:
            give()
        assert isinstance(caught.value.__cause__, OSError)
        assert tree(media) == {}
        assert not Image.objects.exists()
        assert written() == before

    def test_file_is_accepted_again_after_a_full_disk(
        self, give: Callable[..., Taken], settings: Settings, media: Path
    ) -> None:
        kept = settings.STORAGES
        use_storage(settings, media, "FullDisk")
        with pytest.raises(StorageTrouble):
            give()
        settings.STORAGES = kept
        assert give().new
        assert list(tree(media).values()) == [draw()]

    def test_unusable_folder_leaves_neither_row_nor_file(
        self, give: Callable[..., Taken], media: Path, tmp_path: Path
    ) -> None:
        media.write_text("not a folder")
        before = tree(tmp_path)
        with pytest.raises(StorageTrouble):
            give()
        assert tree(tmp_path) == before
        assert not Image.objects.exists()

    def test_rejected_file_needs_no_storage(self, give: Callable[..., Taken], media: Path) -> None:
        media.write_text("not a folder")
        assert give("a.txt", b"a").image.reason == "not_jpeg_or_png"


class TestSweeping:
    def test_sweep_removes_a_file_that_a_crash_left(
        self, give: Callable[..., Taken], draft: Import, media: Path
    ) -> None:
        kept = give().image
        orphan = default_storage.save(
            f"imports/{draft.pk}/{'0' * 32}.jpg", SimpleUploadedFile("x", draw(4))
        )
        assert set(tree(media)) == {kept.storage_key, orphan}
        intake.sweep(draft)
        assert tree(media) == {kept.storage_key: draw()}

    def test_submission_sweeps_the_draft(
        self, give: Callable[..., Taken], draft: Import, actor: Actor, media: Path
    ) -> None:
        kept = give().image
        default_storage.save(f"imports/{draft.pk}/orphan.jpg", SimpleUploadedFile("x", b"x"))
        submit(draft, actor)
        assert list(tree(media)) == [kept.storage_key]

    def test_sweep_leaves_other_imports_alone(
        self, give: Callable[..., Taken], draft: Import, face_list: FaceList, actor: Actor
    ) -> None:
        image = give().image
        intake.sweep(intake.open_draft(face_list, actor))
        assert default_storage.exists(image.storage_key)

    def test_sweep_accepts_an_import_without_stored_files(self, draft: Import) -> None:
        intake.sweep(draft)
        intake.sweep_all()
        assert draft.is_draft


def forge_the_next_audit_row() -> None:
    """Takes the number of the next row, so that writing it must fail."""
    head, _ = AuditHead.objects.get_or_create(pk=1)
    forged = {"at": "2026-01-01T00:00:00Z", "previous_hash": "", "hash": "forged"}
    AuditEvent.objects.create(pk=head.length + 1, **forged)


ACTS: dict[str, Callable[[Image, Image, Actor], object]] = {
    "import.drafted": lambda image, line, actor: intake.open_draft(
        image.face_import.face_list, actor
    ),
    "import.list_changed": lambda image, line, actor: intake.change_list(
        image.face_import, FaceList.objects.get(persona_id="lst_other"), actor
    ),
    "image.accepted": lambda image, line, actor: intake.take(
        image.face_import, "new.jpg", draw(9), len(draw(9)), actor
    ),
    "image.left_out": lambda image, line, actor: intake.take(
        image.face_import, "new.txt", b"new", 3, actor
    ),
    "image.removed": lambda image, line, actor: intake.remove(image, actor),
    "left_out.cleared": lambda image, line, actor: intake.remove_left_out(line.face_import, actor),
    "import.discarded": lambda image, line, actor: intake.discard(image.face_import, actor),
    "face.viewed": lambda image, line, actor: faces.show(image, actor),
}


class TestAuditTrail:
    @pytest.fixture
    def given(self, give: Callable[..., Taken], face_list: FaceList) -> tuple[Image, Image]:
        """An accepted image and a line about a file left out."""
        FaceList.objects.create(environment="local", persona_id="lst_other")
        return give().image, give("a.txt", b"a").image

    @pytest.mark.parametrize("action", ACTS)
    def test_every_act_writes_one_audit_row(
        self, action: str, given: tuple[Image, Image], actor: Actor
    ) -> None:
        before = written()
        ACTS[action](*given, actor)
        assert written() == [*before, action]
        event = AuditEvent.objects.last()
        assert event is not None
        assert (event.actor, event.actor_name) == (actor.user, "officer")
        assert event.address == "192.0.2.7"
        assert list(audit.breaks()) == []

    @pytest.mark.parametrize("action", ACTS)
    def test_act_that_cannot_be_recorded_does_not_happen(
        self, action: str, given: tuple[Image, Image], actor: Actor, media: Path
    ) -> None:
        forge_the_next_audit_row()
        tables = Image.objects.values(), Import.objects.values()
        before = [list(table) for table in tables], tree(media)
        with pytest.raises(IntegrityError):
            ACTS[action](*given, actor)
        assert ([list(table.all()) for table in tables], tree(media)) == before

    def test_audit_rows_name_import_hash_reason_and_count(
        self, draft: Import, actor: Actor, give: Callable[..., Taken]
    ) -> None:
        image, line = give().image, give("a.txt", b"a").image
        intake.remove(image, actor)
        intake.remove_left_out(draft, actor)
        intake.discard(draft, actor)
        rows = AuditEvent.objects.values_list("action", "object_type", "object_id", "details")
        assert list(rows) == [
            ("import.drafted", "import", str(draft.pk), {"list": "lst_unknown"}),
            (
                *("image.accepted", "image", str(image.pk)),
                {"face_import": draft.pk, "sha256": image.sha256},
            ),
            (
                *("image.left_out", "image", str(line.pk)),
                {"face_import": draft.pk, "reason": "not_jpeg_or_png"},
            ),
            ("image.removed", "image", str(image.pk), {"sha256": image.sha256}),
            ("left_out.cleared", "import", str(draft.pk), {"count": 1}),
            ("import.discarded", "import", str(draft.pk), {"destroyed": 0}),
        ]

    def test_audit_rows_hold_no_file_name(self, give: Callable[..., Taken], actor: Actor) -> None:
        """A name can be a person's; the trail outlives what is destroyed."""
        image = give("Erika Mustermann.jpg").image
        give("Erika Mustermann.jpg", b"bad")
        intake.remove(image, actor)
        assert "Mustermann" not in str(list(AuditEvent.objects.values()))


class TestShowingAFace:
    @pytest.fixture
    def image(self, give: Callable[..., Taken]) -> Image:
        return give().image

    def viewings(self) -> list[AuditEvent]:
        return list(AuditEvent.objects.filter(action="face.viewed"))

    def make_older(self, by: timedelta) -> None:
        event = self.viewings()[-1]
        AuditEvent.objects.filter(pk=event.pk).update(at=event.at - by)

    def test_shown_bytes_are_those_that_were_stored(self, image: Image, actor: Actor) -> None:
        assert faces.show(image, actor) == draw()

    def test_thumbnail_is_a_small_jpeg_and_counts_as_a_view(
        self, image: Image, actor: Actor
    ) -> None:
        small = faces.show_small(image, actor)
        assert small.startswith(b"\xff\xd8\xff")
        assert small != draw()
        assert len(self.viewings()) == 1

    def test_view_records_person_and_image(self, image: Image, actor: Actor, draft: Import) -> None:
        faces.show(image, actor)
        (event,) = self.viewings()
        assert (event.actor, event.address) == (actor.user, "192.0.2.7")
        assert (event.object_type, event.object_id) == ("image", str(image.pk))
        assert event.details == {"face_import": draft.pk}

    def test_second_view_within_ten_minutes_is_not_recorded(
        self, image: Image, actor: Actor
    ) -> None:
        faces.show(image, actor)
        self.make_older(timedelta(minutes=9, seconds=50))
        faces.show(image, actor)
        faces.show_small(image, actor)
        assert len(self.viewings()) == 1

    def test_view_after_ten_minutes_is_recorded_again(self, image: Image, actor: Actor) -> None:
        faces.show(image, actor)
        self.make_older(timedelta(minutes=10))
        faces.show(image, actor)
        assert len(self.viewings()) == 2

    def test_each_person_and_each_face_has_its_own_view(
        self, image: Image, actor: Actor, give: Callable[..., Taken]
    ) -> None:
        colleague = Actor.of_user(
            User.objects.create_user("colleague"), address="", sign_in_method=""
        )
        faces.show(image, actor)
        faces.show(image, colleague)
        faces.show(give("b.jpg", draw(1)).image, actor)
        assert len(self.viewings()) == 3

    def test_missing_face_is_not_shown_and_not_recorded(self, image: Image, actor: Actor) -> None:
        default_storage.delete(image.storage_key)
        with pytest.raises(FileNotFoundError):
            faces.show(image, actor)
        assert self.viewings() == []


MEGABYTE = 1_000_000
CHUNK_BYTES = 64 * 1024


class TestReceiving:
    @pytest.fixture(autouse=True)
    def arrivals(self, settings: Settings, tmp_path: Path) -> Path:
        """The folder in which uploads arrive."""
        folder = tmp_path / "arrivals"
        folder.mkdir()
        settings.FILE_UPLOAD_TEMP_DIR = str(folder)
        return folder

    @pytest.fixture
    def received(self) -> Iterator[Callable[..., list[TemporaryUploadedFile]]]:
        """The files of a multipart request, as a view gets them."""
        requests = []

        def receive(*contents: bytes) -> list[Any]:
            files = [SimpleUploadedFile(f"{n}.jpg", data) for n, data in enumerate(contents)]
            request = RequestFactory().post("/", {"files": files})
            requests.append(request)
            return request.FILES.getlist("files")

        yield receive
        for request in requests:
            request.close()

    def test_oversized_upload_writes_little_over_10_mb(
        self, received: Callable[..., list[TemporaryUploadedFile]], arrivals: Path
    ) -> None:
        (file,) = received(bytes(40 * MEGABYTE))
        on_disk = Path(file.temporary_file_path())
        assert on_disk.parent == arrivals
        assert 10 * MEGABYTE < on_disk.stat().st_size <= 10 * MEGABYTE + CHUNK_BYTES
        assert file.size == 40 * MEGABYTE

    @pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 10 * MEGABYTE])
    def test_allowed_file_arrives_whole(
        self, size: int, received: Callable[..., list[TemporaryUploadedFile]]
    ) -> None:
        data = os.urandom(size)
        (file,) = received(data)
        assert file.size == size
        assert file.read() == data

    def test_each_file_of_a_request_has_its_own_limit(
        self, received: Callable[..., list[TemporaryUploadedFile]]
    ) -> None:
        large, small = received(bytes(15 * MEGABYTE), draw())
        assert (large.size, small.size) == (15 * MEGABYTE, len(draw()))
        assert small.read() == draw()

    def test_temporary_file_is_readable_only_by_the_server(
        self, received: Callable[..., list[TemporaryUploadedFile]]
    ) -> None:
        (file,) = received(draw())
        assert stat.S_IMODE(Path(file.temporary_file_path()).stat().st_mode) == 0o600

    def test_form_rejects_the_oversized_file_and_accepts_the_others(
        self, signed_in: Client, draft: Import, media: Path, arrivals: Path
    ) -> None:
        files = [
            SimpleUploadedFile("film.jpg", bytes(40 * MEGABYTE)),
            SimpleUploadedFile("face.jpg", draw()),
        ]
        answer = signed_in.post(reverse("import_upload", args=[draft.pk]), {"files": files})
        assert answer.status_code == 302
        rows = Image.objects.values_list("original_name", "state", "reason", "byte_size")
        assert list(rows) == [
            ("film.jpg", "left_out", "too_large", 40 * MEGABYTE),
            ("face.jpg", "accepted", "", len(draw())),
        ]
        assert list(tree(media).values()) == [draw()]
        assert list(arrivals.iterdir()) == []


def test_largest_allowed_image_is_stored_whole(give: Callable[..., Taken], media: Path) -> None:
    """10 MB to the byte: noise in a PNG, with bytes after its end."""
    picture = Picture.frombytes("RGB", (1_000, 1_000), os.urandom(3 * MEGABYTE))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=0)
    data = out.getvalue().ljust(10 * MEGABYTE, b"\x00")
    image = give("large.png", data).image
    assert image.byte_size == 10 * MEGABYTE
    assert tree(media)[image.storage_key] == data


def test_worker_sweep_spares_files_that_may_be_arriving(
    draft: Import, give: Callable[..., Taken], media: Path
) -> None:
    kept = give("kept.jpg").image
    folder = media / "imports" / str(draft.pk)
    left, arriving = folder / f"{'a' * 32}.jpg", folder / f"{'b' * 32}.jpg"
    for path in (left, arriving):
        path.write_bytes(draw(2))
    two_hours_ago = time.time() - 7200
    os.utime(left, (two_hours_ago, two_hours_ago))

    intake.sweep_all()

    assert sorted(folder.iterdir()) == sorted([media / kept.storage_key, arriving])


@pytest.mark.parametrize("end", ["discarded", "signed"])
def test_worker_sweeps_an_old_draft_that_ended_recently(
    draft: Import, give: Callable[..., Taken], actor: Actor, media: Path, end: str
) -> None:
    """As after an outage of the storage at that very moment."""
    give()
    if end == "discarded":
        intake.discard(draft, actor)
    else:
        submit(draft, actor)
    Import.objects.update(created_at=Now() - timedelta(days=60))
    left = media / f"imports/{draft.pk}" / "left-behind.jpg"
    left.write_bytes(draw(2))
    two_hours_ago = time.time() - 7200
    os.utime(left, (two_hours_ago, two_hours_ago))

    intake.sweep_all()

    assert not left.exists()
