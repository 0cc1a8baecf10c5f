"""Cutting a signed import into requests, all of it or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import DatabaseError, connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from importers import consent, intake
from importers.audit import Actor
from importers.forwarding import cut
from importers.models import AuditEvent, Batch, FaceList, Image, Import
from tests.support.attestations import ANSWERS, submit
from tests.support.pictures import draw

Make = Callable[..., Import]
BYTES = st.lists(st.integers(0, 10_000_000), max_size=200)


def split(items: list[int], lengths: list[int]) -> list[list[int]]:
    rest = iter(items)
    parts = [[next(rest) for _ in range(length)] for length in lengths]
    assert list(rest) == []
    return parts


class TestSizes:
    @pytest.mark.parametrize(
        ("images", "requests"),
        [
            (0, []),
            (1, [1]),
            (49, [49]),
            (50, [50]),
            (51, [50, 1]),
            (100, [50, 50]),
            (101, [50, 50, 1]),
        ],
    )
    def test_at_most_fifty_images_travel_together(self, images: int, requests: list[int]) -> None:
        assert cut.sizes([1_000] * images) == requests

    @pytest.mark.parametrize(
        ("byte_sizes", "requests"),
        [
            ([10_000_000, 10_000_000, 5_000_000], [3]),
            ([10_000_000, 10_000_000, 5_000_001], [2, 1]),
            ([10_000_000] * 5, [2, 2, 1]),
            ([10_000_000, 10_000_000, 5_000_001, 1], [2, 2]),
            ([0, 0, 0], [3]),
        ],
    )
    def test_at_most_25_megabytes_travel_together(
        self, byte_sizes: list[int], requests: list[int]
    ) -> None:
        assert cut.sizes(byte_sizes) == requests

    @given(BYTES)
    def test_nothing_is_lost_and_no_request_is_empty(self, byte_sizes: list[int]) -> None:
        lengths = cut.sizes(byte_sizes)
        assert sum(lengths) == len(byte_sizes)
        assert all(lengths)

    @given(BYTES)
    def test_no_request_is_above_either_limit(self, byte_sizes: list[int]) -> None:
        for part in split(byte_sizes, cut.sizes(byte_sizes)):
            assert len(part) <= project.BATCH_MAX_IMAGES
            assert sum(part) <= project.BATCH_MAX_BYTES

    @given(BYTES)
    def test_a_new_request_begins_only_where_the_last_one_is_full(
        self, byte_sizes: list[int]
    ) -> None:
        for full, following in pairwise(split(byte_sizes, cut.sizes(byte_sizes))):
            too_many = len(full) == project.BATCH_MAX_IMAGES
            assert too_many or sum(full) + following[0] > project.BATCH_MAX_BYTES

    def test_the_limits_are_settings(self, settings: Settings) -> None:
        settings.BATCH_MAX_IMAGES, settings.BATCH_MAX_BYTES = 2, 10_000_000
        assert cut.sizes([1, 1, 1, 9_999_999, 1, 1]) == [2, 2, 2]

    def test_the_largest_image_fits_under_the_lowest_limit(self, settings: Settings) -> None:
        settings.BATCH_MAX_BYTES = 10_000_000
        assert cut.sizes([10_000_000] * 3) == [1, 1, 1]


class TestThePreview:
    def test_tells_what_would_be_sent(
        self, make_draft: Make, face_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        draft = make_draft(face_list, images=3)
        shown = cut.preview(draft)
        assert (shown.images, shown.requests) == (3, [2, 1])
        assert shown.bytes == sum(len(draw(seed)) for seed in range(3))
        assert shown.manifest_sha256 == consent.manifest_sha256(consent.manifest(draft))

    def test_counts_nothing_that_was_left_out(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list, images=1)
        intake.take(draft, "notes.txt", b"notes", 5, actor)
        intake.take(draft, "again.jpg", draw(0), len(draw(0)), actor)
        shown = cut.preview(draft)
        assert (shown.images, shown.bytes, shown.requests) == (1, len(draw(0)), [1])
        assert draft.files.count() == 3

    def test_of_an_empty_draft_is_empty(self, make_draft: Make, face_list: FaceList) -> None:
        shown = cut.preview(make_draft(face_list, images=0))
        assert (shown.images, shown.bytes, shown.requests) == (0, 0, [])

    def test_is_what_is_then_sent(
        self, make_draft: Make, face_list: FaceList, actor: Actor, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        draft = make_draft(face_list, images=5)
        shown = cut.preview(draft)
        submit(draft, actor)
        assert [batch.image_count for batch in draft.batches.all()] == shown.requests
        assert draft.attestation.manifest_sha256 == shown.manifest_sha256


class TestSubmitting:
    def test_cuts_the_images_in_the_order_in_which_they_came(
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

    def test_leaves_each_batch_waiting_without_a_key(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        batch = submit(make_draft(face_list), actor).batches.get()
        assert batch.state == Batch.State.QUEUED
        assert (batch.idempotency_key, batch.first_sent_at, batch.attempts) == (None, None, 0)
        assert list(Batch.objects.of_environment("local").to_send()) == [batch]

    def test_sends_nothing_that_was_left_out(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list, images=1)
        intake.take(draft, "notes.txt", b"notes", 5, actor)
        batch = submit(draft, actor).batches.get()
        assert batch.image_count == batch.images.count() == 1
        assert draft.files.get(state=Image.State.LEFT_OUT).batch is None

    def test_is_told_in_the_audit_trail(
        self, make_draft: Make, face_list: FaceList, actor: Actor, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 2
        draft = submit(make_draft(face_list), actor)
        event = AuditEvent.objects.get(action="import.sent")
        assert (event.actor, event.object_id) == (actor.user, str(draft.pk))
        assert event.details == {"batches": [2, 1]}

    def test_twice_is_refused_and_cuts_nothing_anew(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = submit(make_draft(face_list), actor)
        with pytest.raises(consent.AlreadySealed):
            submit(draft, actor)
        assert draft.batches.count() == 1


def nothing_happened(draft: Import) -> bool:
    draft = Import.objects.get(pk=draft.pk)
    told = AuditEvent.objects.filter(action__in=["import.attested", "import.sent"])
    return (
        draft.is_draft
        and not hasattr(draft, "attestation")
        and not draft.batches.exists()
        and not draft.files.exclude(batch=None).exists()
        and not told.exists()
    )


class TestAllOrNothing:
    def test_an_empty_draft_stays_one(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list, images=0)
        with pytest.raises(consent.NothingToSend):
            submit(draft, actor)
        assert nothing_happened(draft)

    def test_a_draft_whose_images_changed_after_they_were_shown_stays_one(
        self, make_draft: Make, face_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(face_list)
        shown = consent.as_it_is(draft)
        data = draw(99)
        intake.take(draft, "late.jpg", data, len(data), actor)
        with pytest.raises(consent.DraftChanged):
            cut.submit(draft, ANSWERS, actor, shown)
        assert nothing_happened(draft)

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
    def test_a_failure_at_any_step_leaves_the_draft_as_it_was(
        self, make_draft: Make, face_list: FaceList, actor: Actor, step: str, media: Path
    ) -> None:
        draft = make_draft(face_list)
        with refused_by_the_database(step), pytest.raises(DatabaseError, match="no room"):
            submit(draft, actor)
        assert nothing_happened(draft)
        assert len([path for path in media.rglob("*") if path.is_file()]) == 3
        assert submit(draft, actor).state == Import.State.FORWARDING


@contextmanager
def refused_by_the_database(step: str) -> Iterator[None]:
    """The database itself fails at this step, as with a full disk."""

    def wrapper(execute: Callable[..., Any], sql: str, *others: Any) -> Any:
        if sql.startswith(step):
            raise DatabaseError("no room")
        return execute(sql, *others)

    with connection.execute_wrapper(wrapper):
        yield
