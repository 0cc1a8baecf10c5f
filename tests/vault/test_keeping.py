"""Keeping an image's bytes: unchanged, private and durable, or not at all."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from importers.models import Image
from importers.storage import DurableFileStorage
from importers.vault.keeping import StorageUnavailable
from tests.support.makers import AddFile
from tests.support.pictures import draw
from tests.support.stored_files import stored_files
from tests.support.trail import actions


def test_accepted_file_is_stored_unchanged(add_file: AddFile, media: Path) -> None:
    data = draw(7)
    image = add_file("Maya.jpg", data).image
    assert stored_files(media) == {image.storage_key: data}


def test_stored_file_is_readable_only_by_the_server(add_file: AddFile, media: Path) -> None:
    umask = os.umask(0)
    try:
        stored = media / add_file().image.storage_key
    finally:
        os.umask(umask)
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    folders = [stored.parent, stored.parent.parent, media]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3


def test_file_and_folders_are_flushed_before_the_row(
    add_file: AddFile, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[int] = set()
    rows: set[int] = set()
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        flushed.add(os.fstat(descriptor).st_ino)
        rows.add(Image.objects.count())

    monkeypatch.setattr(os, "fsync", fsync)
    stored = media / add_file().image.storage_key
    paths = [stored, stored.parent, stored.parent.parent, media]
    assert {path.stat().st_ino for path in paths} <= flushed
    assert rows == {0}


class FullDisk(DurableFileStorage):
    """A storage that fails after it has stored a part of the file, as a full disk does."""

    def _save(self, name: str, content: Any) -> str:
        super()._save(name, content)
        os.truncate(self.path(name), 100)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def use_full_disk(settings: Settings, media: Path) -> None:
    backend = {"BACKEND": f"{__name__}.FullDisk", "OPTIONS": {"location": str(media)}}
    settings.STORAGES = settings.STORAGES | {"default": backend}


def test_full_disk_leaves_neither_row_nor_file(
    add_file: AddFile, settings: Settings, media: Path
) -> None:
    use_full_disk(settings, media)
    before = actions()
    with pytest.raises(StorageUnavailable) as caught:
        add_file()
    assert isinstance(caught.value.__cause__, OSError)
    assert stored_files(media) == {}
    assert not Image.objects.exists()
    assert actions() == before


def test_file_is_accepted_again_after_a_full_disk(
    add_file: AddFile, settings: Settings, media: Path
) -> None:
    kept = settings.STORAGES
    use_full_disk(settings, media)
    with pytest.raises(StorageUnavailable):
        add_file()
    settings.STORAGES = kept
    assert add_file().new
    assert list(stored_files(media).values()) == [draw()]


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
