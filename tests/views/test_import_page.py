"""The page of a sent import: its attestation, its batches, and its images with their outcomes."""

from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from importers.audit.actors import Actor
from importers.models import Attestation, Batch, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.files import incoming, receive_one
from tests.support.image_rows import add_rows
from tests.support.makers import MakeDraft
from tests.support.pages import page_of, states, words
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db
State = Batch.State


@pytest.fixture
def many_batches(submitted: Import) -> Import:
    """An import of 30 batches, of which the first holds its three images."""
    numbers = range(2, 31)
    Batch.objects.bulk_create(
        Batch(face_import=submitted, number=number, image_count=50) for number in numbers
    )
    return submitted


def shown_images(client: Client, face_import: Import) -> Any:
    return client.get(f"/imports/{face_import.pk}/").context["images"]


class TestAttestation:
    def test_page_says_who_signed_what_and_on_which_basis(
        self, signed_in: Client, submitted: Import
    ) -> None:
        signed = Attestation.objects.get()
        text = words(page_of(signed_in, submitted))
        for shown in (
            "Signed by Maya Okafor (account officer) for exactly 3 images.",
            f"{signed.signed_at:%H:%M:%S} UTC",
            "explicit consent",
            "Illinois (BIPA)",
            "FR-2026-014",
            f"{signed.term_ends_on:%B %Y}",
            "Seal intact checked now",
        ):
            assert shown in text

    def test_page_links_to_the_record_and_its_files(
        self, signed_in: Client, submitted: Import
    ) -> None:
        html = page_of(signed_in, submitted)
        for name in ("import_record", "attestation_json", "manifest", "images_csv"):
            assert f'href="{reverse(name, args=[submitted.pk])}"' in html

    def test_broken_seal_is_shown(self, signed_in: Client, submitted: Import) -> None:
        Attestation.objects.update(purpose="Another purpose.")
        text = words(page_of(signed_in, submitted))
        assert "Seal broken, checked now" in text
        assert "The attestation was changed after it was sealed." in text
        assert "Seal intact" not in text

    def test_signed_answers_are_shown_escaped(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        evil = "<script>alert('x')</script>"
        sent = submit(make_draft(known_list, 1), actor, evidence_reference=evil)
        html = page_of(signed_in, sent)
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(&#x27;x&#x27;)" in html

    def test_discarded_draft_keeps_its_page(
        self, signed_in: Client, make_draft: MakeDraft, face_list: FaceList
    ) -> None:
        draft = make_draft(face_list, 2)
        signed_in.post(reverse("import_discard", args=[draft.pk]))
        html = page_of(signed_in, draft)
        assert states(html) == ["canceled"]
        assert "face-0.jpg" in html
        assert "/thumbnail/" not in html
        assert "Attestation" not in words(html)
        assert words(html).count("Not sent (draft discarded)") == 2


class TestBatches:
    def test_few_batches_are_all_shown(self, signed_in: Client, three_batches: Import) -> None:
        html = page_of(signed_in, three_batches)
        assert states(html) == ["forwarding", "queued", "queued", "queued"]
        assert "other-batches" not in html

    def test_many_batches_are_collapsed(self, signed_in: Client, many_batches: Import) -> None:
        html = page_of(signed_in, many_batches)
        assert "All 30 batches" in words(html)
        assert '<details id="other-batches" >' in html

    def test_batches_in_trouble_stay_in_view(self, signed_in: Client, many_batches: Import) -> None:
        many_batches.batches.filter(number=7).update(state=State.FAILED, problem="refused")
        html = page_of(signed_in, many_batches)
        in_view, collapsed = html.split('<details id="other-batches"')
        assert "Retry batch 7" in words(in_view)
        assert "Retry batch 7" not in words(collapsed)
        assert "The other 29 of 30 batches" in words(collapsed)

    def test_page_of_batches_is_open(self, signed_in: Client, many_batches: Import) -> None:
        html = page_of(signed_in, many_batches, "?batches=2")
        assert '<details id="other-batches" open>' in html
        assert 'href="?batches=1#other-batches"' in html

    def test_one_by_one_import_says_that_results_are_exact(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Import.objects.update(mode=Import.Mode.ONE_BY_ONE)
        text = words(page_of(signed_in, submitted))
        assert "its result is exact" in text
        assert "totals per batch" not in text


class TestImages:
    def test_each_face_shows_its_batch_and_outcome(
        self, signed_in: Client, three_batches: Import
    ) -> None:
        first, second, _ = three_batches.batches.order_by("number")
        done = {"state": State.DONE, "error_count": 0}
        Batch.objects.filter(pk=first.pk).update(
            importer_id="mprt_1", successful_count=1, duplicate_count=0, **done
        )
        Batch.objects.filter(pk=second.pk).update(
            importer_id="mprt_2", successful_count=0, duplicate_count=1, **done
        )
        text = words(page_of(signed_in, three_batches))
        assert "face-0.jpg Batch 1 Successful" in text
        assert "face-1.jpg Batch 2 Duplicate" in text
        assert "face-2.jpg Batch 3 Waiting to be sent" in text

    def test_face_in_bulk_says_how_many_of_its_batch(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Batch.objects.update(
            state=State.DONE, importer_id="mprt_1", successful_count=2, duplicate_count=1,
            error_count=0,
        )  # fmt: skip
        text = words(page_of(signed_in, submitted))
        assert text.count("Batch 1 1 of these 3 was a duplicate") == 3

    def test_face_links_to_its_record(self, signed_in: Client, submitted: Import) -> None:
        html = page_of(signed_in, submitted)
        for image in submitted.files.all():
            assert f'href="{reverse("image_record", args=[image.key])}"' in html

    def test_name_is_shown_without_its_folders(self, signed_in: Client, submitted: Import) -> None:
        Image.objects.update(original_name="2026-11 onboarding/rejected/jane.jpg")
        assert "jane.jpg Batch 1" in words(page_of(signed_in, submitted))
        assert "onboarding" not in words(page_of(signed_in, submitted))

    def test_images_of_a_signed_import_cannot_be_removed(
        self, signed_in: Client, submitted: Import
    ) -> None:
        html = page_of(signed_in, submitted)
        for image in submitted.files.all():
            assert reverse("thumbnail", args=[image.key]) in html
        assert "/remove/" not in html

    def test_destroyed_image_is_named_but_not_loaded(
        self, signed_in: Client, submitted: Import
    ) -> None:
        image = submitted.files.first()
        assert image
        Image.objects.filter(pk=image.pk).update(destroyed_at=Now(), storage_key="")
        html = page_of(signed_in, submitted)
        assert image.original_name in html
        assert reverse("thumbnail", args=[image.key]) not in html
        assert f'href="{reverse("image", args=[image.key])}"' not in html

    def test_images_come_a_page_at_a_time(self, signed_in: Client, submitted: Import) -> None:
        add_rows(submitted, 60)
        html = page_of(signed_in, submitted, "?page=2")
        assert "49–63 of 63" in words(html)
        assert 'href="?page=1#images-head"' in html
        assert html.count("data-key") == 15

    def test_rejected_files_are_listed_with_their_reasons(
        self, signed_in: Client, submitted: Import
    ) -> None:
        add_rows(submitted, 25, Image.State.LEFT_OUT)
        assert "25 files rejected" in words(page_of(signed_in, submitted))
        html = page_of(signed_in, submitted, "?rejected=2")
        assert "row-024.jpg It is damaged." in words(html)
        assert "21–25 of 25" in words(html)


def test_images_are_in_the_order_of_their_names_not_of_their_arrival(
    signed_in: Client, empty_draft: Import, actor: Actor
) -> None:
    for number in (10, 9, 1):
        receive_one(empty_draft, incoming(f"2026/img {number}.jpg", draw(number)), actor)
    sent = submit(empty_draft, actor)
    names = [image.base_name for image in shown_images(signed_in, sent)]
    assert names == ["img 1.jpg", "img 9.jpg", "img 10.jpg"]
