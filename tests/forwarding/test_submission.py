"""Submitting a draft: the preview, and the cut into batches, all of it or none."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import DatabaseError
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.consent import attestation
from importers.forwarding import assignment, submission
from importers.intake import drafts
from importers.models import AuditEvent, Batch, FaceList, Image, Import
from tests.support.attestations import signature, submit
from tests.support.broken_database import database_fails_at
from tests.support.files import incoming, receive_one
from tests.support.pictures import draw
from tests.support.threads import at_once

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]


class TestPreview:
    def test_preview_shows_what_would_be_sent(
        self, make_draft: Make, face_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        draft = make_draft(face_list, images=3)
        shown = submission.preview(draft)
        assert (shown.images, shown.requests) == (3, [2, 1])
        assert shown.bytes == sum(len(draw(seed)) for seed in range(3))

    def test_preview_excludes_rejected_files(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list, images=1)
        receive_one(draft, incoming("notes.txt", b"notes"), actor)
        receive_one(draft, incoming("again.jpg", draw(0)), actor)
        shown = submission.preview(draft)
        assert (shown.images, shown.bytes, shown.requests) == (1, len(draw(0)), [1])
        assert draft.files.count() == 3

    def test_preview_of_an_empty_draft_is_empty(
        self, make_draft: Make, face_list: FaceList
    ) -> None:
        shown = submission.preview(make_draft(face_list, images=0))
        assert (shown.images, shown.bytes, shown.requests) == (0, 0, [])

    def test_preview_matches_what_is_submitted(
        self, make_draft: Make, face_list: FaceList, actor: Actor, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        draft = make_draft(face_list, images=5)
        shown = submission.preview(draft)
        submit(draft, actor)
        assert [batch.image_count for batch in draft.batches.all()] == shown.requests


class TestSubmit:
    def test_submit_cuts_images_in_upload_order(
        self, make_draft: Make, face_list: FaceList, actor: Actor, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        sent = submit(make_draft(face_list, images=5), actor)
        assert sent.state == Import.State.FORWARDING
        batches = list(sent.batches.order_by("number"))
        assert [(batch.number, batch.image_count) for batch in batches] == [(1, 2), (2, 2), (3, 1)]
        names = [list(b.images.values_list("original_name", flat=True)) for b in batches]
        assert names == [
            ["face-0.jpg", "face-1.jpg"],
            ["face-2.jpg", "face-3.jpg"],
            ["face-4.jpg"],
        ]

    def test_submit_queues_batches_without_a_key(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        batch = submit(make_draft(face_list), actor).batches.get()
        assert batch.state == Batch.State.QUEUED
        assert (batch.idempotency_key, batch.sends.count(), batch.attempts) == (None, 0, 0)
        assert list(Batch.objects.of_environment("local").due()) == [batch]

    def test_submit_excludes_rejected_files(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list, images=1)
        receive_one(draft, incoming("notes.txt", b"notes"), actor)
        batch = submit(draft, actor).batches.get()
        assert batch.image_count == batch.images.count() == 1
        assert draft.files.get(state=Image.State.LEFT_OUT).batch is None

    def test_submit_is_in_the_audit_trail(
        self, make_draft: Make, face_list: FaceList, actor: Actor, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        draft = submit(make_draft(face_list), actor)
        event = AuditEvent.objects.get(action="import.sent")
        assert (event.actor, event.object_id) == (actor.user, str(draft.pk))
        assert event.details == {
            "batches": [2, 1],
            "mode": "bulk",
            "assignment_sha256": assignment.digest(draft),
        }

    def test_release_empties_the_answers_of_the_draft(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list)
        drafts.save_answers(draft, {"purpose": ["To recognise fraudsters."]}, actor)
        assert submit(draft, actor).draft_answers == {}

    def test_second_submit_is_refused(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = submit(make_draft(face_list), actor)
        with pytest.raises(drafts.NotADraft):
            submit(draft, actor)
        assert draft.batches.count() == 1


def is_untouched(draft: Import) -> bool:
    draft = Import.objects.get(pk=draft.pk)
    recorded = AuditEvent.objects.filter(action__in=["import.attested", "import.sent"])
    return (
        draft.is_draft
        and draft.attestation is None
        and not draft.batches.exists()
        and not draft.files.exclude(batch=None).exists()
        and not recorded.exists()
    )


class TestRefusedSubmit:
    def test_empty_draft_is_not_submitted(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list, images=0)
        with pytest.raises(attestation.NothingToSend):
            submit(draft, actor)
        assert is_untouched(draft)

    def test_draft_changed_after_review_is_not_sent(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list)
        signed = signature(draft, actor.person)
        receive_one(draft, incoming("late.jpg", draw(99)), actor)
        with pytest.raises(attestation.DraftChanged):
            submission.submit(draft, signed, actor)
        assert is_untouched(draft)

    @pytest.mark.parametrize(
        "step",
        [
            'INSERT INTO "importers_attestation"',
            'INSERT INTO "importers_batch"',
            'UPDATE "importers_image"',
            'UPDATE "importers_import"',
            'INSERT INTO "importers_auditevent"',
            'UPDATE "importers_audithead"',
        ],
    )
    def test_failed_submit_leaves_the_draft_unchanged(
        self, make_draft: Make, face_list: FaceList, actor: Actor, step: str, media: Path
    ) -> None:
        draft = make_draft(face_list)
        with database_fails_at(step), pytest.raises(DatabaseError, match="no room"):
            submit(draft, actor)
        assert is_untouched(draft)
        stored = [path for path in media.rglob("*") if path.is_file()]
        assert len(stored) == 2 * 3, "three images and their thumbnails"
        assert submit(draft, actor).state == Import.State.FORWARDING


@pytest.mark.django_db(transaction=True)
def test_one_of_two_signatures_at_once_is_kept(
    make_draft: Make, face_list: FaceList, actor: Actor
) -> None:
    """Two web processes receive them."""
    draft = make_draft(face_list)

    def sign(_: str) -> str:
        try:
            submit(Import.objects.get(pk=draft.pk), actor)
        except drafts.NotADraft:
            return "refused"
        return "sealed"

    assert sorted(at_once(4, sign)) == ["refused"] * 3 + ["sealed"]
    assert draft.batches.count() == 1
    assert AuditEvent.objects.filter(action="import.sent").count() == 1
