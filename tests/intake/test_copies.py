"""Images that did not reach their list are copied into a new draft, with their entries."""

from pathlib import Path

import pytest
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.intake import copies
from importers.models import AuditEvent, FaceList, Import
from importers.vault import keeping
from tests.support.attestations import submit
from tests.support.makers import MakeDraft
from tests.support.stored_files import keys_of, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.fixture
def ended(make_draft: MakeDraft, face_list: FaceList, actor: Actor, settings: Settings) -> Import:
    """An import whose three batches of one image ended: done, errored and canceled."""
    settings.BATCH_MAX_IMAGES = 1
    sent = submit(make_draft(face_list, 3), actor)
    for number, state in enumerate(("done", "errored", "canceled"), start=1):
        importer = "" if state == "canceled" else f"mprt_{number}"
        sent.batches.filter(number=number).update(state=state, importer_id=importer)
    return sent


def test_lost_images_are_copied_with_bytes_and_entries(ended: Import, actor: Actor) -> None:
    draft = copies.copy_lost(ended, actor)
    assert draft.is_draft
    assert draft.face_list == ended.face_list
    rows = draft.files.order_by("original_name")
    assert [row.original_name for row in rows] == ["face-1.jpg", "face-2.jpg"]
    for row in rows:
        first = ended.files.get(original_name=row.original_name)
        assert keeping.read(row) == keeping.read(first)
        assert keeping.read_thumbnail(row) == keeping.read_thumbnail(first)
        assert (row.sha256, row.listing_reason) == (first.sha256, "confirmed_fraud")
        assert row.key != first.key
        assert keys_of(row).isdisjoint(keys_of(first))
    draft.refresh_from_db()
    assert draft.image_count == 2
    event = AuditEvent.objects.get(action="import.copied")
    assert event.object_id == str(draft.pk)
    makers = {str(actor.person.pk): "officer"}
    assert event.details == {"copied_from": ended.pk, "makers": makers, "images": 2}


def test_copied_draft_can_be_signed(ended: Import, actor: Actor) -> None:
    draft = copies.copy_lost(ended, actor)
    assert submit(draft, actor).state == "forwarding"
    assert draft.batches.count() == 2


@pytest.mark.parametrize("state", ["done", "importing"])
def test_images_that_may_be_on_the_list_are_not_copied(
    state: str, ended: Import, actor: Actor
) -> None:
    ended.batches.exclude(importer_id="").update(state=state)
    ended.batches.filter(importer_id="").update(state="failed", may_have_arrived=True)
    with pytest.raises(copies.NothingToCopy):
        copies.copy_lost(ended, actor)
    assert Import.objects.count() == 1


def test_failed_copy_leaves_no_draft_and_no_file(ended: Import, actor: Actor, media: Path) -> None:
    last = ended.files.get(original_name="face-2.jpg")
    (media / last.storage_key).unlink()
    before = set(stored_files(media))
    with pytest.raises(FileNotFoundError):
        copies.copy_lost(ended, actor)
    assert set(stored_files(media)) == before
    assert Import.objects.get(state="canceled").image_count == 0
