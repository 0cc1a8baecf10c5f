"""Images set aside in a draft: removed by a person, or already sent to the list."""

from pathlib import Path

import pytest

from importers.audit.actors import Actor
from importers.consent.attestation import DraftChanged
from importers.intake import aside, drafts
from importers.intake.drafts import NotADraft
from importers.models import Attestation, AuditEvent, Batch, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.files import incoming, receive_one
from tests.support.makers import MakeDraft
from tests.support.pictures import draw
from tests.support.stored_files import keys_of, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def accepted(draft: Import) -> list[str]:
    """The names of the images that would be sent."""
    rows = draft.files.filter(state=Image.State.ACCEPTED).order_by("original_name")
    return list(rows.values_list("original_name", flat=True))


def counts(draft: Import) -> tuple[int, int]:
    draft.refresh_from_db()
    return draft.image_count, draft.left_out_count


class TestRemoving:
    @pytest.fixture
    def draft(self, make_draft: MakeDraft, face_list: FaceList) -> Import:
        return make_draft(face_list, 3)

    def test_removed_image_is_not_sent_and_keeps_its_bytes(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        before = stored_files(media)
        assert aside.remove(draft, draft.files.filter(original_name="face-1.jpg"), actor) == 1
        assert accepted(draft) == ["face-0.jpg", "face-2.jpg"]
        assert counts(draft) == (2, 1)
        assert stored_files(media) == before
        removed = draft.files.get(original_name="face-1.jpg")
        event = AuditEvent.objects.get(action="images.removed")
        assert event.details == {"sha256": [removed.sha256]}
        assert (event.object_type, event.object_id) == ("import", str(draft.pk))

    def test_removed_image_is_restored(self, draft: Import, actor: Actor) -> None:
        aside.remove(draft, draft.files.all(), actor)
        assert counts(draft) == (0, 3)
        assert aside.restore(draft, draft.files.all(), actor) == 3
        assert counts(draft) == (3, 0)
        assert not draft.files.exclude(reason="").exists()
        assert len(AuditEvent.objects.get(action="images.restored").details["sha256"]) == 3

    def test_file_dropped_again_after_removal_is_a_new_image(
        self, draft: Import, actor: Actor
    ) -> None:
        first = draft.files.filter(original_name="face-1.jpg")
        aside.remove(draft, first, actor)
        assert receive_one(draft, incoming("face-1.jpg", draw(1)), actor).new
        assert aside.restore(draft, draft.files.all(), actor) == 0, "it is there already"
        assert counts(draft) == (3, 1)

    def test_only_the_last_of_equal_removed_images_can_be_restored(
        self, draft: Import, actor: Actor
    ) -> None:
        for _ in range(2):
            aside.remove(draft, draft.files.filter(original_name="face-1.jpg"), actor)
            receive_one(draft, incoming("face-1.jpg", draw(1)), actor)
        aside.remove(draft, draft.files.filter(original_name="face-1.jpg"), actor)
        assert aside.restore(draft, draft.files.all(), actor) == 1
        assert counts(draft) == (3, 0)

    def test_removing_a_rejected_file_deletes_its_row(self, draft: Import, actor: Actor) -> None:
        receive_one(draft, incoming("notes.txt", b"text"), actor)
        assert aside.remove(draft, draft.files.filter(original_name="notes.txt"), actor) == 0
        assert counts(draft) == (3, 0)

    def test_images_of_a_sealed_import_stay(self, draft: Import, actor: Actor) -> None:
        sent = submit(draft, actor)
        for change in (aside.remove, aside.restore):
            with pytest.raises(NotADraft):
                change(sent, sent.files.all(), actor)
        assert counts(sent) == (3, 0)

    def test_signing_forgets_removed_images(self, draft: Import, actor: Actor, media: Path) -> None:
        aside.remove(draft, draft.files.filter(original_name="face-1.jpg"), actor)
        submit(draft, actor)
        assert counts(draft) == (2, 0)
        assert set(stored_files(media)) == keys_of(*draft.files.all())


class TestAlreadySent:
    @pytest.fixture
    def sent(self, make_draft: MakeDraft, face_list: FaceList, actor: Actor) -> Import:
        """An import that sent the pictures 0 and 1."""
        return submit(make_draft(face_list, 2), actor)

    @pytest.fixture
    def draft(self, sent: Import, make_draft: MakeDraft, face_list: FaceList) -> Import:
        """A draft for the same list with the pictures 1 and 2."""
        return make_draft(face_list, 2, first_seed=1)

    def test_image_that_the_list_was_sent_is_left_out_with_its_import(
        self, draft: Import, sent: Import
    ) -> None:
        known = draft.files.get(reason=Image.ALREADY_SENT)
        assert known.original_name == "face-1.jpg"
        assert known.explanation == f"Already sent to this list in import {sent.pk}."
        assert accepted(draft) == ["face-2.jpg"]
        assert counts(draft) == (1, 1)

    def test_same_file_dropped_again_stays_one_file(self, draft: Import, actor: Actor) -> None:
        again = receive_one(draft, incoming("face-1.jpg", draw(1)), actor)
        assert (again.new, again.image.reason) == (False, Image.ALREADY_SENT)
        assert draft.files.count() == 2

    def test_image_is_included_with_a_reason(self, draft: Import, actor: Actor) -> None:
        assert aside.include(draft, draft.files.all(), "Its batch had errors.", actor) == 1
        included = draft.files.get(original_name="face-1.jpg")
        assert (included.state, included.included_because) == ("accepted", "Its batch had errors.")
        event = AuditEvent.objects.get(action="images.included")
        assert event.details == {"sha256": [included.sha256]}
        submit(draft, actor)
        assert counts(draft) == (2, 0), "signing does not leave it out again"

    def test_another_list_has_other_images(
        self, draft: Import, actor: Actor, face_list: FaceList
    ) -> None:
        other = FaceList.objects.create(environment="local", persona_id="lst_other")
        drafts.change_list(draft, other, actor)
        assert accepted(draft) == ["face-1.jpg", "face-2.jpg"]
        drafts.change_list(draft, face_list, actor)
        assert accepted(draft) == ["face-2.jpg"]

    def test_image_sent_meanwhile_blocks_signing(
        self, make_draft: MakeDraft, face_list: FaceList, actor: Actor
    ) -> None:
        first, second = make_draft(face_list, 2), make_draft(face_list, 3)
        submit(first, actor)
        with pytest.raises(DraftChanged) as caught:
            submit(second, actor)
        assert caught.value.changed == ["manifest_sha256"]
        assert not Attestation.objects.filter(pk=second.pk).exists()

    @pytest.mark.parametrize("state", ["canceled", "failed", "errored"])
    def test_batch_that_did_not_reach_the_list_does_not_count(
        self, state: str, sent: Import, make_draft: MakeDraft, face_list: FaceList
    ) -> None:
        Batch.objects.update(state=state, importer_id="mprt_1" if state == "errored" else "")
        assert counts(make_draft(face_list, 2)) == (2, 0)

    def test_draft_does_not_count(self, make_draft: MakeDraft, face_list: FaceList) -> None:
        make_draft(face_list, 2)
        assert counts(make_draft(face_list, 2)) == (2, 0)

    def test_bytes_of_what_stays_left_out_are_destroyed_at_signing(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        key = draft.files.get(reason=Image.ALREADY_SENT).storage_key
        assert key in stored_files(media)
        submit(draft, actor)
        left_out = draft.files.get(reason=Image.ALREADY_SENT)
        assert left_out.destroyed_at
        assert key not in stored_files(media)
