"""Entries: set for a selection, or for many images from a file, matched by name."""

from dataclasses import asdict

import pytest

from importers.audit.actors import Actor
from importers.intake import entries
from importers.intake.drafts import NotADraft
from importers.models import AuditEvent, Entry, EntryFile, FaceList, Image, Import
from importers.models.entries import ENTRY
from tests.support.attestations import submit
from tests.support.files import incoming, receive_one
from tests.support.makers import MakeDraft
from tests.support.pictures import draw

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
FRAUD = Entry("S-1", "FR-1", "confirmed_fraud", "Seen twice.")


@pytest.fixture
def draft(make_draft: MakeDraft, face_list: FaceList) -> Import:
    """A draft with face-0.jpg, face-1.jpg and face-2.jpg."""
    return make_draft(face_list, 3)


def rows(**by_file: Entry) -> list[dict[str, object]]:
    """Rows of a file; each keyword is the name of a JPEG without its extension."""
    return [
        {"line": line, "file": f"{name.replace('_', '-')}.jpg", **asdict(entry)}
        for line, (name, entry) in enumerate(by_file.items(), start=2)
    ]


def entry_of(draft: Import, name: str) -> Entry:
    image = draft.files.get(original_name=name)
    return Entry(**{field: getattr(image, field) for field in ENTRY})


def test_entry_is_set_for_a_selection(draft: Import, actor: Actor) -> None:
    chosen = draft.files.filter(original_name__in=["face-0.jpg", "face-1.jpg"])
    assert entries.describe(draft, chosen, FRAUD, actor) == 2
    assert entry_of(draft, "face-1.jpg") == FRAUD
    assert entry_of(draft, "face-2.jpg") == Entry()
    event = AuditEvent.objects.get(action="entries.changed")
    assert event.details == {"fields": list(ENTRY), "images": 2}


def test_empty_field_leaves_the_image_as_it_is(draft: Import, actor: Actor) -> None:
    entries.describe(draft, draft.files.all(), FRAUD, actor)
    entries.describe(draft, draft.files.all(), Entry(case_reference="FR-2"), actor)
    assert entry_of(draft, "face-0.jpg") == Entry("S-1", "FR-2", "confirmed_fraud", "Seen twice.")


def test_empty_entry_changes_and_records_nothing(draft: Import, actor: Actor) -> None:
    assert entries.describe(draft, draft.files.all(), Entry(), actor) == 0
    assert not AuditEvent.objects.filter(action="entries.changed").exists()


class TestFile:
    def test_nothing_is_applied_before_a_person_does(self, draft: Import, actor: Actor) -> None:
        entries.keep_file(draft, rows(face_0=FRAUD), actor)
        assert entry_of(draft, "face-0.jpg") == Entry()

    def test_matching_lists_rows_and_images_without_a_partner(
        self, draft: Import, actor: Actor
    ) -> None:
        entries.keep_file(draft, rows(face_0=FRAUD, nobody=FRAUD), actor)
        found = entries.matching(draft)
        assert found
        assert found.entries == {draft.files.get(original_name="face-0.jpg").pk: FRAUD}
        assert [row["file"] for row in found.unused] == ["nobody.jpg"]
        assert found.without_row == ["face-1.jpg", "face-2.jpg"]

    def test_image_that_arrives_after_the_file_is_matched(
        self, draft: Import, actor: Actor
    ) -> None:
        entries.keep_file(draft, rows(late=FRAUD), actor)
        receive_one(draft, incoming("folder/late.jpg", draw(9)), actor)
        found = entries.matching(draft)
        assert found
        assert (len(found.entries), found.unused) == (1, [])

    def test_name_that_two_folders_have_is_not_guessed(self, draft: Import, actor: Actor) -> None:
        for seed, folder in ((7, "a"), (8, "b")):
            receive_one(draft, incoming(f"{folder}/same.jpg", draw(seed)), actor)
        entries.keep_file(draft, rows(same=FRAUD), actor)
        found = entries.matching(draft)
        assert found
        assert (found.entries, len(found.unused)) == ({}, 1)

    def test_file_is_applied_once(self, draft: Import, actor: Actor) -> None:
        entries.keep_file(draft, rows(face_0=FRAUD, nobody=FRAUD), actor)
        assert entries.apply_file(draft, actor) == 1
        assert entry_of(draft, "face-0.jpg") == FRAUD
        assert entries.matching(draft) is None
        assert entries.apply_file(draft, actor) == 0
        assert AuditEvent.objects.get(action="entries.changed").details["images"] == 1

    def test_second_file_replaces_the_first(self, draft: Import, actor: Actor) -> None:
        entries.keep_file(draft, rows(face_0=FRAUD), actor)
        entries.keep_file(draft, rows(face_1=FRAUD), actor)
        assert [row["file"] for row in EntryFile.objects.get().rows] == ["face-1.jpg"]

    def test_dismissed_file_is_forgotten(self, draft: Import, actor: Actor) -> None:
        entries.keep_file(draft, rows(face_0=FRAUD), actor)
        entries.dismiss_file(draft, actor)
        entries.dismiss_file(draft, actor)
        assert not EntryFile.objects.exists()
        uploaded, dismissed = AuditEvent.objects.order_by("-pk")[:2][::-1]
        assert (uploaded.action, uploaded.details) == ("entries.uploaded", {"rows": 1})
        assert (dismissed.action, dismissed.details) == ("entries.dismissed", {})

    def test_rejected_file_is_no_partner(self, draft: Import, actor: Actor) -> None:
        receive_one(draft, incoming("bad.jpg", b"no picture"), actor)
        entries.keep_file(draft, rows(bad=FRAUD), actor)
        found = entries.matching(draft)
        assert found
        assert (found.entries, len(found.unused)) == ({}, 1)


def test_entries_of_a_sealed_import_stay(draft: Import, actor: Actor) -> None:
    sent = submit(draft, actor)
    with pytest.raises(NotADraft):
        entries.describe(sent, sent.files.all(), FRAUD, actor)
    with pytest.raises(NotADraft):
        entries.keep_file(sent, rows(face_0=FRAUD), actor)
    with pytest.raises(NotADraft):
        entries.apply_file(sent, actor)
    assert not Image.objects.filter(case_reference="FR-1").exists()
