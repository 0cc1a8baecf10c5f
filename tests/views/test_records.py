"""The printable records of an import and of an image."""

from datetime import date
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from importers.audit.actors import Actor
from importers.intake import drafts
from importers.models import (
    Attestation,
    AuditEvent,
    Batch,
    Entry,
    FaceList,
    Image,
    Import,
    Role,
)
from importers.vault import viewing
from importers.views import records
from tests.support.attestations import ANSWERS, submit
from tests.support.files import incoming, receive_one
from tests.support.image_rows import add_rows
from tests.support.makers import MakeDraft
from tests.support.pages import words_of
from tests.support.people import make_person
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db
EVIL = "<script>alert('x')</script>"


def record(client: Client, face_import: Import, query: str = "") -> Any:
    response = client.get(f"/imports/{face_import.pk}/record/{query}")
    assert response.status_code == 200
    return response


def image_record(client: Client, image: Image) -> Any:
    response = client.get(f"/images/{image.key}/record/")
    assert response.status_code == 200
    return response


@pytest.fixture
def image(submitted: Import) -> Image:
    return submitted.files.get(original_name="face-0.jpg")


class TestImport:
    def test_record_shows_signature_answers_and_seal(
        self, signed_in: Client, submitted: Import
    ) -> None:
        signed = Attestation.objects.get()
        text = words_of(record(signed_in, submitted))
        for shown in (
            "Maya Okafor (account officer)", "192.0.2.7", "Signed in with password",
            f"{signed.signed_at:%H:%M:%S} UTC", "Known fraud", signed.list_persona_id,
            "Local Persona", "exactly 3", signed.manifest_sha256, signed.seal,
            "Seal intact checked now", "50 per request", "Created by Maya Okafor",
            "explicit consent", "Illinois (BIPA)", ANSWERS["purpose"], "5 January 2026",
            "31 March 2026", "Notice version 4.2", "Sent to us by the subjects themselves",
            ANSWERS["evidence_reference"], ANSWERS["withdrawal_route"], "Electronic signature",
        ):  # fmt: skip
            assert shown in text

    def test_record_shows_the_whole_statement(self, signed_in: Client, submitted: Import) -> None:
        text = words_of(record(signed_in, submitted))
        statement = Attestation.objects.get().statement_text
        for line in filter(None, statement.splitlines()):
            assert line in text

    def test_record_shows_confirmed_warnings(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        late = date(2039, 12, 31)
        sent = submit(make_draft(known_list, 1), actor, term_ends_on=late)
        text = words_of(record(signed_in, sent))
        assert "Warnings that the signer confirmed" in text
        assert "The images are kept for more than 36 months." in text

    def test_record_lists_every_image_with_hash_entry_batch_and_outcome(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(known_list, 2)
        draft.files.filter(original_name="face-1.jpg").update(
            subject_reference="S-17", case_reference="FR-9", note="Two names."
        )
        sent = submit(draft, actor)
        Batch.objects.update(
            state="done", importer_id="mprt_1", successful_count=1, duplicate_count=1, error_count=0
        )
        text = words_of(record(signed_in, sent))
        for image in sent.files.all():
            assert f"{image.original_name} {image.sha256} Confirmed fraud" in text
        assert "Case FR-9 Subject S-17 Two names." in text
        assert text.count("1 mprt_1 1 of these 2 was a duplicate") == 2
        assert "1 2 1 1 0 mprt_1 1 of these 2 was a duplicate" in text, "the row of the batch"

    def test_record_counts_the_entries(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        entry = Entry(listing_reason="account_takeover", case_reference="FR-1", note="A note.")
        sent = submit(make_draft(known_list, 3), actor, entry=entry)
        assert "Account takeover FR-1 A note. 3" in words_of(record(signed_in, sent))

    def test_record_names_who_uploaded_and_signed(
        self, signed_in: Client, submitted: Import
    ) -> None:
        text = words_of(record(signed_in, submitted))
        for act in ("Created the draft officer", "Uploaded images officer", "Signed officer"):
            assert act in text

    def test_record_names_its_reader_too_and_once(
        self, signed_in: Client, submitted: Import
    ) -> None:
        record(signed_in, submitted)
        rows = record(signed_in, submitted).context["acts"]
        assert [(act.person, act.times) for act in rows if act.words == "Read the record"] == [
            ("officer", 1)
        ]

    def test_record_shows_where_the_seal_is_broken(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Image.objects.filter(original_name="face-0.jpg").update(case_reference="another")
        text = words_of(record(signed_in, submitted))
        assert "Seal broken, checked now" in text
        assert "images or entries are not those that were attested" in text

    def test_record_shows_no_face_and_records_no_view(
        self, signed_in: Client, submitted: Import
    ) -> None:
        assert "/thumbnail/" not in record(signed_in, submitted).content.decode()
        seen = AuditEvent.objects.filter(action__in=["face.viewed", "gallery.viewed"])
        assert not seen.exists()

    def test_record_of_thousands_comes_a_page_at_a_time(
        self, signed_in: Client, submitted: Import
    ) -> None:
        add_rows(submitted, 300)
        page = record(signed_in, submitted)
        assert len(page.context["rows"]) == 200
        assert "1–200 of 303 images. Show all for printing" in words_of(page)
        assert len(record(signed_in, submitted, "?page=2").context["rows"]) == 103

    def test_whole_record_is_one_page_up_to_a_bound(
        self, signed_in: Client, submitted: Import, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_rows(submitted, 300)
        assert len(record(signed_in, submitted, "?all=yes").context["rows"]) == 303
        monkeypatch.setattr(records, "PRINTED_PAGE_SIZE", 250)
        page = record(signed_in, submitted, "?all=yes")
        assert len(page.context["rows"]) == 250
        assert 'href="?all=yes&amp;page=2#images-head"' in page.content.decode()

    def test_one_by_one_record_shows_each_outcome_once(
        self, signed_in: Client, three_batches: Import
    ) -> None:
        Import.objects.update(mode=Import.Mode.ONE_BY_ONE)
        first = three_batches.batches.get(number=1)
        Batch.objects.filter(pk=first.pk).update(
            state="done", importer_id="mprt_1", successful_count=0, duplicate_count=1, error_count=0
        )
        text = words_of(record(signed_in, three_batches))
        assert text.count("mprt_1 Duplicate") == 1
        assert text.count("Waiting to be sent") == 2

    def test_hostile_text_is_escaped(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        draft = make_draft(known_list, 1)
        Image.objects.update(original_name=EVIL, note=EVIL, case_reference=EVIL)
        FaceList.objects.update(name=EVIL)
        draft.refresh_from_db()
        sent = submit(draft, actor, purpose=EVIL, evidence_reference=EVIL, notice_version=EVIL)
        Batch.objects.update(state="failed", problem_detail=EVIL)
        html = record(signed_in, sent).content.decode()
        assert "<script>alert" not in html
        face = sent.files.get()
        assert "<script>alert" not in image_record(signed_in, face).content.decode()

    @pytest.mark.parametrize("discarded", [False, True])
    def test_unsigned_import_has_no_record(
        self, discarded: bool, signed_in: Client, draft: Import
    ) -> None:
        if discarded:
            signed_in.post(reverse("import_discard", args=[draft.pk]))
        assert signed_in.get(f"/imports/{draft.pk}/record/").status_code == 404


class TestImage:
    def test_record_shows_file_entry_batch_and_attestation(
        self, signed_in: Client, image: Image
    ) -> None:
        Batch.objects.update(
            state="done", importer_id="mprt_7", successful_count=3, duplicate_count=0, error_count=0
        )
        text = words_of(image_record(signed_in, image))
        for shown in (
            "Record of face-0.jpg", image.sha256, str(image.key), "Confirmed fraud",
            f"{image.byte_size:,} bytes", "JPEG, 240 × 240 pixels", "All 3 successful",
            f"Import {image.face_import_id} : Sending", "Known fraud", "mprt_7", "1, 3 images",
            "Maya Okafor (account officer)", "explicit consent", "FR-2026-014",
            Attestation.objects.get().seal, "by officer from 192.0.2.7",
        ):  # fmt: skip
            assert shown in text

    def test_opening_the_record_is_a_view_that_it_lists(
        self, signed_in: Client, image: Image
    ) -> None:
        response = image_record(signed_in, image)
        signed_in.get(reverse("thumbnail", args=[image.key]))  # as the page does
        (view,) = AuditEvent.objects.filter(action="face.viewed")
        assert view.object_id == str(image.pk)
        assert "officer 127.0.0.1 Opened alone" in words_of(response)

    def test_record_names_everyone_who_viewed_the_face(
        self, signed_in: Client, image: Image, submitted: Import
    ) -> None:
        auditor = make_person("auditor", Role.AUDITOR)
        other = Actor.of_user(auditor, address="192.0.2.9", sign_in_method="password")
        viewing.show(image, other)
        text = words_of(image_record(signed_in, image))
        assert "auditor 192.0.2.9 Opened alone" in text

    def test_record_links_to_that_of_its_import(self, signed_in: Client, image: Image) -> None:
        html = image_record(signed_in, image).content.decode()
        assert f'href="{reverse("import_record", args=[image.face_import_id])}"' in html

    def test_image_of_a_draft_has_a_record_that_says_it_is_not_signed(
        self, signed_in: Client, draft: Import
    ) -> None:
        face = draft.files.first()
        assert face
        response = image_record(signed_in, face)
        assert "Not signed and not sent" in words_of(response)
        assert "Nobody: this import is not signed." in words_of(response)
        assert "/record/" not in response.content.decode().split("<main")[1]

    def test_image_of_a_discarded_draft_has_a_record_without_a_picture(
        self, signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        drafts.discard(draft, actor)
        face = draft.files.first()
        assert face
        response = image_record(signed_in, face)
        assert "Not sent (draft discarded)" in words_of(response)
        assert f"{face.destroyed_at:%H:%M:%S} UTC" in words_of(response)
        assert "/thumbnail/" not in response.content.decode()
        assert not AuditEvent.objects.filter(action="face.viewed").exists()

    def test_destroyed_image_keeps_its_record(self, signed_in: Client, image: Image) -> None:
        Image.objects.filter(pk=image.pk).update(destroyed_at=Now(), storage_key="")
        text = words_of(image_record(signed_in, image))
        assert image.sha256 in text
        assert "Destroyed" in text

    def test_rejected_file_has_a_record_that_says_why(
        self, signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        receive_one(draft, incoming("copy.jpg", draw(0)), actor)
        text = words_of(image_record(signed_in, draft.files.get(original_name="copy.jpg")))
        assert "Rejected: The same image is already in this import, as face-0.jpg." in text
        assert "Not kept: the file was rejected." in text
