"""Keeping an image's bytes: unchanged, private and durable, or not at all."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.intake import files
from importers.models import Image, Import
from importers.storage import DurableFileStorage
from importers.vault.keeping import StorageUnavailable
from tests.support.files import incoming
from tests.support.makers import AddFile
from tests.support.pictures import decode, draw
from tests.support.stored_files import keys_of, stored_files
from tests.support.trail import actions


def test_accepted_file_is_stored_unchanged_with_its_thumbnail(
    add_file: AddFile, media: Path
) -> None:
    data = draw(7, size=(4_000, 3_000))
    image = add_file("Maya.jpg", data).image
    stored = stored_files(media)
    assert set(stored) == keys_of(image)
    assert stored[image.storage_key] == data
    assert decode(stored[image.thumbnail_key]).size == (256, 192)


def test_stored_file_is_readable_only_by_the_server(add_file: AddFile, media: Path) -> None:
    umask = os.umask(0)
    try:
        stored = media / add_file().image.storage_key
    finally:
        os.umask(umask)
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    folders = [stored.parent, stored.parent.parent, media]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3


class Flushes(set[int]):
    """The inodes of what was flushed, and the numbers of rows at those times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: set[int] = set()
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._record)

    def _record(self, descriptor: int) -> None:
        self._fsync(descriptor)
        self.add(os.fstat(descriptor).st_ino)
        self.rows.add(Image.objects.count())


def inodes(*paths: Path) -> set[int]:
    return {path.stat().st_ino for path in paths}


def test_files_and_folders_are_flushed_before_the_row(
    add_file: AddFile, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes = Flushes(monkeypatch)
    image = add_file().image
    stored, thumbnail = media / image.storage_key, media / image.thumbnail_key
    folders = stored.parent, stored.parent.parent, media
    assert inodes(stored, thumbnail, *folders) <= flushes
    assert flushes.rows == {0}


def test_next_image_flushes_only_what_has_changed(
    add_file: AddFile, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_file("a.jpg", draw(1))
    flushes = Flushes(monkeypatch)
    image = add_file("b.jpg", draw(2)).image
    stored, thumbnail = media / image.storage_key, media / image.thumbnail_key
    assert inodes(stored, thumbnail, stored.parent) <= flushes
    assert not inodes(stored.parent.parent, media) & flushes


class FullDisk(DurableFileStorage):
    """A storage that fails after it has stored a part of the file, as a full disk does."""

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        os.truncate(self.path(super().save(name, content, max_length)), 100)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class DiskForOneFile(FullDisk):
    """A storage with room for the image but not for its thumbnail."""

    saved = 0

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        self.saved += 1
        disk = DurableFileStorage if self.saved == 1 else FullDisk
        return disk.save(self, name, content, max_length)


def use_full_disk(
    settings: Settings, media: Path, disk: type[DurableFileStorage] = FullDisk
) -> None:
    backend = {"BACKEND": f"{__name__}.{disk.__name__}", "OPTIONS": {"location": str(media)}}
    settings.STORAGES = settings.STORAGES | {"default": backend}


@pytest.mark.parametrize("disk", [FullDisk, DiskForOneFile])
def test_full_disk_leaves_neither_row_nor_file(
    disk: type[DurableFileStorage], add_file: AddFile, settings: Settings, media: Path
) -> None:
    use_full_disk(settings, media, disk)
    before = actions()
    with pytest.raises(StorageUnavailable) as caught:
        add_file()
    assert isinstance(caught.value.__cause__, OSError)
    assert stored_files(media) == {}
    assert not Image.objects.exists()
    assert actions() == before


def test_disk_that_fills_amid_a_group_leaves_nothing_of_it(
    draft: Import, actor: Actor, settings: Settings, media: Path
) -> None:
    use_full_disk(settings, media, DiskForOneFile)
    group = [incoming("a.txt", b"a"), incoming("b.jpg", draw(1)), incoming("c.jpg", draw(2))]
    before = actions()
    with pytest.raises(StorageUnavailable):
        files.receive(draft, group, actor)
    assert (stored_files(media), Image.objects.count(), actions()) == ({}, 0, before)


def test_file_is_accepted_again_after_a_full_disk(
    add_file: AddFile, settings: Settings, media: Path
) -> None:
    kept = settings.STORAGES
    use_full_disk(settings, media)
    with pytest.raises(StorageUnavailable):
        add_file()
    settings.STORAGES = kept
    assert add_file().new
    assert set(stored_files(media)) == keys_of(Image.objects.get())


def test_unusable_folder_leaves_neither_row_nor_file(
    add_file: AddFile, media: Path, tmp_path: Path
) -> None:
    media.write_text("not a folder")
    before = stored_files(tmp_path)
    with pytest.raises(StorageUnavailable):
        add_file()
    assert stored_files(tmp_path) == before
    assert not Image.objects.exists()


def test_rejected_file_needs_no_storage(add_file: AddFile, media: Path) -> None:
    media.write_text("not a folder")
    assert add_file("a.txt", b"a").image.reason == "not_jpeg_or_png"
