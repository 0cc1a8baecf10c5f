"""The images of a draft: shown, filtered, selected, removed, restored, included, described."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from importers.audit.actors import Actor
from importers.forms.entry_file import COLUMNS
from importers.models import AuditEvent, EntryFile, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.files import incoming, receive_one
from tests.support.image_rows import add_rows
from tests.support.makers import MakeDraft
from tests.support.pages import page_of, values_of, words
from tests.support.pictures import draw
from tests.support.stored_files import stored_files
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
BY_SCRIPT = {"HX-Request": "true", "HX-Target": "contents"}
CSV = b"file,case_reference,reason\nface-1.jpg,FR-1,confirmed_fraud\nnobody.jpg,FR-2,enrolled\n"


def act(client: Client, name: str, draft: Import, **fields: Any) -> str:
    """Do something with images as the page's script does; return the fragment."""
    response = client.post(reverse(name, args=[draft.pk]), fields, headers=BY_SCRIPT)
    assert response.status_code == 200
    html = response.content.decode()
    assert "<html" not in html
    return html


def keys(draft: Import, *names: str) -> list[str]:
    rows = draft.files.filter(original_name__in=names).order_by("pk")
    return [str(key) for key in rows.values_list("key", flat=True)]


def accepted(draft: Import) -> list[str]:
    rows = draft.files.filter(state=Image.State.ACCEPTED).order_by("pk")
    return list(rows.values_list("original_name", flat=True))


class TestSelection:
    def test_selected_images_are_removed_and_can_be_undone(
        self, signed_in: Client, draft: Import
    ) -> None:
        chosen = keys(draft, "face-0.jpg", "face-2.jpg")
        html = act(signed_in, "images_remove", draft, image=chosen)
        assert accepted(draft) == ["face-1.jpg"]
        assert "1 image in 1 batch (1)" in words(html)
        assert "2 images removed. Undo" in words(html)
        (undo,) = values_of(html, "only")
        act(signed_in, "images_restore", draft, only=undo)
        assert len(accepted(draft)) == 3

    def test_one_image_is_removed_whatever_is_selected(
        self, signed_in: Client, draft: Import
    ) -> None:
        only, selected = keys(draft, "face-0.jpg", "face-1.jpg")
        act(signed_in, "images_remove", draft, only=only, image=[selected])
        assert accepted(draft) == ["face-1.jpg", "face-2.jpg"]

    def test_removal_works_without_a_script(self, signed_in: Client, draft: Import) -> None:
        path = reverse("images_remove", args=[draft.pk])
        response = signed_in.post(path, {"image": keys(draft, "face-1.jpg")})
        assert (response.status_code, response["Location"]) == (302, f"/imports/{draft.pk}/")
        assert "1 removed. They can be restored" in words(page_of(signed_in, draft))

    def test_all_means_all_that_the_filter_shows(self, signed_in: Client, draft: Import) -> None:
        add_rows(draft, 60)
        act(signed_in, "images_remove", draft, all="yes", q="row-0")
        assert accepted(draft) == ["face-0.jpg", "face-1.jpg", "face-2.jpg"]

    def test_removal_keeps_the_page(self, signed_in: Client, draft: Import) -> None:
        add_rows(draft, 100)
        html = act(
            signed_in, "images_remove", draft, only=",".join(keys(draft, "face-1.jpg")), page="2"
        )
        assert "49–96 of 102" in words(html)

    def test_image_of_another_import_stays(
        self, signed_in: Client, draft: Import, make_draft: MakeDraft
    ) -> None:
        other = make_draft(draft.face_list, 1, first_seed=50)
        act(signed_in, "images_remove", draft, image=keys(other, "face-50.jpg"))
        assert accepted(other) == ["face-50.jpg"]
        assert "images.removed" not in actions()

    def test_malformed_key_is_not_found(self, signed_in: Client, draft: Import) -> None:
        path = reverse("images_remove", args=[draft.pk])
        assert signed_in.post(path, {"image": ["x"]}, headers=BY_SCRIPT).status_code == 404

    def test_removed_images_are_restored_together(self, signed_in: Client, draft: Import) -> None:
        act(signed_in, "images_remove", draft, all="yes")
        html = act(signed_in, "images_restore", draft, set="removed")
        assert len(accepted(draft)) == 3
        assert "removed" not in words(html)

    def test_entry_is_set_for_the_selection(self, signed_in: Client, draft: Import) -> None:
        typed = {"own-listing_reason": "enrolled", "own-case_reference": " FR-1\t2 "}
        html = act(signed_in, "images_describe", draft, image=keys(draft, "face-1.jpg"), **typed)
        described = draft.files.get(case_reference="FR-1 2")
        assert (described.original_name, described.listing_reason) == ("face-1.jpg", "enrolled")
        assert "Entry set for 1 image." in words(html)

    def test_entry_needs_a_selection(self, signed_in: Client, draft: Import) -> None:
        html = act(signed_in, "images_describe", draft, **{"own-case_reference": "FR-1"})
        assert "Select the images first." in words(html)
        assert values_of(html, "own-case_reference") == ["FR-1"]

    def test_reference_that_looks_like_a_name_is_warned_of(
        self, signed_in: Client, draft: Import
    ) -> None:
        typed = {"own-subject_reference": "maya.okafor@example.com"}
        html = act(signed_in, "images_describe", draft, all="yes", **typed)
        assert "3 subject references look like a name or an e-mail address" in words(html)


class TestFilter:
    def test_filter_keeps_names_out_of_addresses(self, signed_in: Client, draft: Import) -> None:
        html = act(signed_in, "import_contents", draft, q="face-1")
        assert ('alt="face-1.jpg"' in html, 'alt="face-0.jpg"' in html) == (True, False)
        assert "?q=" not in html

    def test_filter_without_a_hit_says_so(self, signed_in: Client, draft: Import) -> None:
        html = act(signed_in, "import_contents", draft, q="nobody")
        assert "No image to send has “nobody” in its name." in words(html)
        assert values_of(html, "q") == ["nobody"], "the filter can be changed"

    def test_names_are_in_natural_order_with_their_folder_below(
        self, signed_in: Client, empty_draft: Import, actor: Actor
    ) -> None:
        for number in (10, 9, 1):
            receive_one(empty_draft, incoming(f"2026/img {number}.jpg", draw(number)), actor)
        html = page_of(signed_in, empty_draft)
        assert html.index('alt="img 1.jpg"') < html.index('alt="img 9.jpg"')
        assert html.index('alt="img 9.jpg"') < html.index('alt="img 10.jpg"')
        assert html.count('class="folder"') == 3


class TestAlreadySent:
    @pytest.fixture
    def draft(self, make_draft: MakeDraft, face_list: FaceList, actor: Actor) -> Import:
        submit(make_draft(face_list, 2), actor)
        return make_draft(face_list, 3)

    def test_page_says_which_import_sent_them(self, signed_in: Client, draft: Import) -> None:
        html = page_of(signed_in, draft)
        assert "2 images were already sent to this list and will not be sent again" in words(html)
        first = Import.objects.exclude(pk=draft.pk).get()
        assert f'<a href="/imports/{first.pk}/">Import {first.pk}</a>' in html

    def test_they_are_sent_again_with_a_reason_only(self, signed_in: Client, draft: Import) -> None:
        html = act(signed_in, "images_include", draft, set="already_sent", because=" ")
        assert "Enter why they are to be sent again." in words(html)
        assert accepted(draft) == ["face-2.jpg"]
        act(signed_in, "images_include", draft, set="already_sent", because="Errors then.")
        assert len(accepted(draft)) == 3
        assert draft.files.filter(included_because="Errors then.").count() == 2

    def test_some_of_them_are_sent_again(self, signed_in: Client, draft: Import) -> None:
        html = act(signed_in, "images_include", draft, because="Errors then.")
        assert "Select the images first." in words(html)
        chosen = keys(draft, "face-1.jpg")
        act(signed_in, "images_include", draft, because="Errors then.", image=chosen)
        assert accepted(draft) == ["face-1.jpg", "face-2.jpg"]


class TestEntryFile:
    def upload(self, client: Client, draft: Import, data: bytes = CSV, **more: Any) -> Any:
        given = {"entries": SimpleUploadedFile("entries.csv", data)}
        return client.post(reverse("entries_upload", args=[draft.pk]), given, **more)

    def test_file_is_compared_before_it_is_applied(self, signed_in: Client, draft: Import) -> None:
        html = self.upload(signed_in, draft, headers=BY_SCRIPT).content.decode()
        text = words(html)
        assert "1 row matches an image. Nothing is applied yet." in text
        assert "1 row without an image Line 3: nobody.jpg" in text
        assert "2 images without a row face-0.jpg face-2.jpg" in text
        assert not draft.files.exclude(case_reference="").exists()

    def test_comparison_survives_a_reload(self, signed_in: Client, draft: Import) -> None:
        self.upload(signed_in, draft)
        assert "1 row matches an image" in words(page_of(signed_in, draft))

    def test_file_is_applied_by_one_click(self, signed_in: Client, draft: Import) -> None:
        self.upload(signed_in, draft)
        html = act(signed_in, "entries_apply", draft)
        assert draft.files.get(case_reference="FR-1").original_name == "face-1.jpg"
        assert "Entries from a CSV" not in words(html)
        assert AuditEvent.objects.get(action="entries.changed").details["images"] == 1

    def test_file_is_dismissed(self, signed_in: Client, draft: Import) -> None:
        self.upload(signed_in, draft)
        act(signed_in, "entries_dismiss", draft)
        assert not EntryFile.objects.exists()

    def test_unusable_file_is_refused_and_the_kept_one_stays(
        self, signed_in: Client, draft: Import
    ) -> None:
        self.upload(signed_in, draft)
        html = self.upload(signed_in, draft, b"name\nx\n", headers=BY_SCRIPT).content.decode()
        assert "The CSV was not used." in words(html)
        assert "has no column “file”" in words(html)
        assert EntryFile.objects.get().rows[0]["file"] == "face-1.jpg"

    def test_missing_file_is_asked_for(self, signed_in: Client, draft: Import) -> None:
        path = reverse("entries_upload", args=[draft.pk])
        response = signed_in.post(path, follow=True)
        assert "Choose a CSV file." in words(response.content.decode())

    def test_columns_are_explained_beside_the_template(
        self, signed_in: Client, draft: Import
    ) -> None:
        text = words(page_of(signed_in, draft))
        for name, explanation in COLUMNS.items():
            assert f"{name} {explanation}" in text

    def test_template_can_be_downloaded(self, signed_in: Client) -> None:
        response = signed_in.get(reverse("entries_template"))
        assert response["Content-Disposition"] == 'attachment; filename="entries.csv"'
        assert response.content.startswith(b"file,subject_reference,case_reference,reason,note")


@pytest.mark.parametrize(
    "name",
    [
        *("images_remove", "images_restore", "images_include", "images_describe"),
        *("entries_upload", "entries_apply", "entries_dismiss", "rejected_clear"),
    ],
)
def test_images_of_a_submitted_import_cannot_be_changed(
    name: str, signed_in: Client, draft: Import, actor: Actor, media: Path
) -> None:
    submit(draft, actor)
    page_of(signed_in, draft)
    before = list(draft.files.values()), Import.objects.values().get(), actions()
    typed = {"all": "yes", "because": "x", "own-case_reference": "FR-9"}
    more = {"entries": SimpleUploadedFile("entries.csv", CSV)} if name == "entries_upload" else {}
    path = reverse(name, args=[draft.pk])
    response = signed_in.post(path, typed | more, headers=BY_SCRIPT)
    assert response.headers["HX-Refresh"] == "true"
    assert "no longer a draft" in words(page_of(signed_in, draft))
    assert (list(draft.files.values()), Import.objects.values().get(), actions()) == before
    assert len(stored_files(media)) == 2 * 3  # with thumbnails
