"""The page of a draft: opening it, reviewing and changing its images, discarding it."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.models import AuditEvent, Environment, FaceList, Image, Import, Person
from tests.support.attestations import submit
from tests.support.image_rows import add_rows
from tests.support.pages import page_of, words, words_of
from tests.support.stored_files import stored_files
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
TO_CONTENTS = {"HX-Request": "true", "HX-Target": "contents"}


class TestOpening:
    def test_choosing_a_list_opens_a_draft(
        self, signed_in: Client, officer: Person, face_list: FaceList
    ) -> None:
        response = signed_in.post("/imports/new/", {"face_list": face_list.pk})
        draft = Import.objects.get()
        assert (response.status_code, response.url) == (302, f"/imports/{draft.pk}/")  # type: ignore[attr-defined]
        assert (draft.state, draft.face_list, draft.created_by) == ("draft", face_list, officer)
        assert actions()[-1] == "import.drafted"

    def test_list_in_the_link_is_preselected(self, signed_in: Client, face_list: FaceList) -> None:
        html = signed_in.get(f"/imports/new/?list={face_list.pk}").content.decode()
        assert re.search(rf'<option value="{face_list.pk}"\s+selected', html)

    @pytest.mark.parametrize("typed", ["", "x", "999999", "9" * 40])
    def test_draft_needs_a_known_list(
        self, typed: str, signed_in: Client, face_list: FaceList
    ) -> None:
        response = signed_in.post("/imports/new/", {"face_list": typed})
        assert response.status_code == 422
        assert re.search("Choose the face list|no longer exists at Persona", words_of(response))
        assert not Import.objects.exists()

    def test_archived_and_foreign_lists_are_not_offered(
        self, signed_in: Client, face_list: FaceList
    ) -> None:
        elsewhere = Environment.PRODUCTION
        hidden = [
            FaceList.objects.create(environment="local", persona_id="lst_a", archived=True),
            FaceList.objects.create(environment=elsewhere, persona_id="lst_b", name="Elsewhere"),
        ]
        html = signed_in.get("/imports/new/").content.decode()
        assert "Confirmed fraud" in html
        assert "lst_a" not in html
        assert "Elsewhere" not in html
        for row in hidden:
            assert signed_in.post("/imports/new/", {"face_list": row.pk}).status_code == 422
        assert not Import.objects.exists()

    def test_page_links_to_lists_when_none_is_known(self, signed_in: Client) -> None:
        html = signed_in.get("/imports/new/").content.decode()
        assert "No face lists yet" in html
        assert 'name="face_list"' not in html


class TestPage:
    def test_page_shows_how_the_draft_would_be_sent(self, signed_in: Client, draft: Import) -> None:
        add_rows(draft, 134)
        html = page_of(signed_in, draft)
        assert "in 3 batches (50, 49, 38)" in words(html)
        assert 'data-images="137"' in html
        assert 'data-state="draft"' in html

    def test_page_uses_the_singular_for_one_image(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        add_rows(empty_draft, 1)
        text = words(page_of(signed_in, empty_draft))
        assert re.search(r"\b1 image\b.* in 1 batch \(1\)", text)

    def test_large_images_need_more_requests(
        self, signed_in: Client, empty_draft: Import, settings: Settings
    ) -> None:
        add_rows(empty_draft, 5)
        Image.objects.update(byte_size=9_000_000)
        text = words(page_of(signed_in, empty_draft))
        assert "in 3 batches (2, 2, 1)" in text
        settings.BATCH_MAX_IMAGES = 1
        assert "in 5 batches" in words(page_of(signed_in, empty_draft))

    def test_page_says_when_no_image_is_accepted(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        add_rows(empty_draft, 2, Image.State.LEFT_OUT)
        text = words(page_of(signed_in, empty_draft))
        assert "No images accepted yet. 2 rejected" in text

    def test_gallery_pages_have_no_gap_and_no_repeat(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        add_rows(empty_draft, 100)
        pages = [page_of(signed_in, empty_draft, f"?page={number}") for number in (1, 2, 3)]
        shown = [re.findall(r'data-key=\S+\s+alt="(row-\d+.jpg)"', html) for html in pages]
        assert [len(names) for names in shown] == [48, 48, 4]
        assert sorted(sum(shown, [])) == [f"row-{number:03}.jpg" for number in range(100)]
        assert "97–100 of 100" in words(pages[2])

    def test_rejected_files_are_paged_separately(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        add_rows(empty_draft, 49)
        add_rows(empty_draft, 45, Image.State.LEFT_OUT)
        html = page_of(signed_in, empty_draft, "?rejected=3&page=2")
        assert html.count('data-code="damaged"') == 5
        assert re.findall(r'data-key=\S+\s+alt="(row-\d+.jpg)"', html) == ["row-048.jpg"]
        assert "?rejected=2&amp;page=2" in html
        assert "?page=1&amp;rejected=3" in html

    @pytest.mark.parametrize("page", ["0", "-1", "99", "x", "9" * 40, ""])
    def test_page_number_out_of_range_shows_a_valid_page(
        self, page: str, signed_in: Client, draft: Import
    ) -> None:
        assert 'alt="face-0.jpg"' in page_of(signed_in, draft, f"?page={page}&rejected={page}")

    def test_contents_are_served_as_a_fragment(self, signed_in: Client, draft: Import) -> None:
        html = signed_in.get(f"/imports/{draft.pk}/contents/").content.decode()
        assert "<html" not in html
        assert "in 1 batch (3)" in words(html)


class TestChanges:
    def test_clearing_rejected_files_keeps_accepted_images(
        self, signed_in: Client, draft: Import, media: Path
    ) -> None:
        add_rows(draft, 5, Image.State.LEFT_OUT)
        path = reverse("rejected_clear", args=[draft.pk])
        html = signed_in.post(path, headers=TO_CONTENTS).content.decode()
        assert "data-code" not in html
        assert [image.state for image in draft.files.all()] == ["accepted"] * 3
        assert len(stored_files(media)) == 2 * 3  # with thumbnails
        assert AuditEvent.objects.get(action="left_out.cleared").details == {"count": 5}

    def test_list_of_a_draft_can_be_changed(self, signed_in: Client, draft: Import) -> None:
        other = FaceList.objects.create(environment="local", persona_id="lst_2", name="Second")
        path = reverse("import_list", args=[draft.pk])
        response = signed_in.post(path, {"face_list": other.pk}, follow=True)
        draft.refresh_from_db()
        assert draft.face_list == other
        assert re.search(rf'<option value="{other.pk}"\s+selected', response.content.decode())
        event = AuditEvent.objects.get(action="import.list_changed")
        assert event.details == {"list": "lst_2"}

    @pytest.mark.parametrize("kind", ["", "999", "archived", "elsewhere"])
    def test_draft_cannot_change_to_an_unusable_list(
        self, kind: str, signed_in: Client, draft: Import
    ) -> None:
        rows = {
            "archived": FaceList.objects.create(
                environment="local", persona_id="lst_2", archived=True
            ),
            "elsewhere": FaceList.objects.create(environment="sandbox", persona_id="lst_3"),
        }
        typed = rows[kind].pk if kind in rows else kind
        path = reverse("import_list", args=[draft.pk])
        response = signed_in.post(path, {"face_list": typed}, follow=True)
        assert "The list was not changed. Choose one of the lists." in words_of(response)
        assert Import.objects.get(pk=draft.pk).face_list == draft.face_list

    def test_draft_on_a_list_archived_meanwhile_cannot_be_signed(
        self, signed_in: Client, draft: Import
    ) -> None:
        FaceList.objects.update(archived=True)
        text = words(page_of(signed_in, draft, "?check=yes"))
        assert "The list Confirmed fraud is archived at Persona. Choose another." in text

    def test_refused_list_reloads_the_page_of_a_script(
        self, signed_in: Client, draft: Import
    ) -> None:
        """A fragment would not show the reason."""
        path = reverse("import_list", args=[draft.pk])
        response = signed_in.post(path, {"face_list": "999"}, headers={"HX-Request": "true"})
        assert response.headers["HX-Refresh"] == "true"
        assert "Choose one of the lists." in words_of(signed_in.get(f"/imports/{draft.pk}/"))

    def test_discarding_destroys_the_bytes_and_keeps_the_record(
        self, signed_in: Client, draft: Import, media: Path
    ) -> None:
        hashes = sorted(image.sha256 for image in draft.files.all())
        response = signed_in.post(reverse("import_discard", args=[draft.pk]), follow=True)
        draft.refresh_from_db()
        assert draft.state == "canceled"
        assert 'data-state="canceled"' in response.content.decode()
        assert stored_files(media) == {}
        kept = draft.files.exclude(destroyed_at=None).filter(storage_key="")
        assert sorted(kept.values_list("sha256", flat=True)) == hashes
        assert AuditEvent.objects.latest("pk").details == {"destroyed": 3}

    def test_stale_draft_page_is_reloaded_after_submission(
        self, signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        submit(draft, actor)
        path = reverse("rejected_clear", args=[draft.pk])
        response = signed_in.post(path, headers={"HX-Request": "true", "HX-Target": "contents"})
        assert response.headers["HX-Refresh"] == "true"

    @pytest.mark.parametrize("name", ["import_discard", "rejected_clear", "import_list"])
    def test_submitted_import_cannot_be_changed(
        self, name: str, signed_in: Client, draft: Import, actor: Actor, media: Path
    ) -> None:
        add_rows(draft, 1, Image.State.LEFT_OUT)
        submit(draft, actor)
        page_of(signed_in, draft)
        before = list(draft.files.values()), Import.objects.values().get(), actions()
        path = reverse(name, args=[draft.pk])
        response = signed_in.post(path, {"face_list": draft.face_list_id}, follow=True)
        assert "no longer a draft" in words_of(response)
        assert (list(draft.files.values()), Import.objects.values().get(), actions()) == before
        assert len(stored_files(media)) == 2 * 3  # with thumbnails
