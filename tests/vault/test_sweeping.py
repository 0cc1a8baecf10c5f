"""Sweeping removes stored files that no row names."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now

from importers.audit.actors import Actor
from importers.intake import drafts
from importers.models import FaceList, Import
from importers.vault import sweeping
from tests.support.attestations import submit
from tests.support.makers import AddFile
from tests.support.pictures import draw
from tests.support.stored_files import keys_of, stored_files


def make_two_hours_old(path: Path) -> None:
    two_hours_ago = time.time() - 7200
    os.utime(path, (two_hours_ago, two_hours_ago))


def test_sweep_removes_a_file_that_a_crash_left(
    add_file: AddFile, draft: Import, media: Path
) -> None:
    kept = add_file().image
    orphan = default_storage.save(
        f"imports/{draft.pk}/{'0' * 32}.jpg", SimpleUploadedFile("x", draw(4))
    )
    assert set(stored_files(media)) == {*keys_of(kept), orphan}
    sweeping.sweep(draft)
    assert set(stored_files(media)) == keys_of(kept)


def test_submission_sweeps_the_draft(
    add_file: AddFile, draft: Import, actor: Actor, media: Path
) -> None:
    kept = add_file().image
    default_storage.save(f"imports/{draft.pk}/orphan.jpg", SimpleUploadedFile("x", b"x"))
    submit(draft, actor)
    assert set(stored_files(media)) == keys_of(kept)


def test_sweep_leaves_other_imports_alone(
    add_file: AddFile, draft: Import, face_list: FaceList, actor: Actor
) -> None:
    image = add_file().image
    sweeping.sweep(drafts.open_draft(face_list, actor))
    assert default_storage.exists(image.storage_key)


def test_sweep_accepts_an_import_without_stored_files(draft: Import) -> None:
    sweeping.sweep(draft)
    sweeping.sweep_recent()
    assert draft.is_draft


def test_worker_sweep_spares_files_that_may_be_arriving(
    draft: Import, add_file: AddFile, media: Path
) -> None:
    kept = add_file("kept.jpg").image
    folder = media / "imports" / str(draft.pk)
    orphan, arriving = folder / f"{'a' * 32}.jpg", folder / f"{'b' * 32}.jpg"
    for path in (orphan, arriving):
        path.write_bytes(draw(2))
    make_two_hours_old(orphan)

    sweeping.sweep_recent()

    assert set(folder.iterdir()) == {*(media / key for key in keys_of(kept)), arriving}


@pytest.mark.parametrize("end", ["discarded", "signed"])
def test_worker_sweeps_an_old_draft_that_ended_recently(
    draft: Import, add_file: AddFile, actor: Actor, media: Path, end: str
) -> None:
    """A storage outage at that moment leaves a file behind."""
    add_file()
    if end == "discarded":
        drafts.discard(draft, actor)
    else:
        submit(draft, actor)
    Import.objects.update(created_at=Now() - timedelta(days=60))
    orphan = media / f"imports/{draft.pk}" / "left-behind.jpg"
    orphan.write_bytes(draw(2))
    make_two_hours_old(orphan)

    sweeping.sweep_recent()

    assert not orphan.exists()
