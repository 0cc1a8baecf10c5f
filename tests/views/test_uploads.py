"""Uploading files to a draft, by the page's script and by the plain form."""

import re
import threading
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.imaging.inspection import MAX_BYTES
from importers.imaging.processes import BRIEFLY_SECONDS
from importers.intake.files import GROUP_FILES
from importers.models import Image, Import
from importers.templatetags.consentry import file_name
from tests.support.attestations import submit
from tests.support.image_processes import every_place_taken
from tests.support.pages import (
    outcome_of,
    page_of,
    upload,
    upload_by_form,
    upload_group,
    words,
    words_of,
)
from tests.support.pictures import draw
from tests.support.stored_files import keys_of, stored_files
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
ODD_NAMES = {
    "three hundred characters": "a" * 296 + ".jpg",
    "path traversal": "../../etc/passwd",
    "line break": "one\r\ntwo.jpg",
    "right-to-left": "cod\u202egpj.exe",
    "HTML": "<script>alert(1)</script>.jpg",
    "quotes": "\"onload='x' .jpg",
    "HTML entity": "&lt;svg onload=x&gt;.jpg",
    "zero width": "a\u200bb\ufeff.jpg",
    "non-Latin script": "Ζωή Ωμέγα 顔.jpg",
    "formula": "=HYPERLINK(1).jpg",
}


class TestScript:
    def test_good_file_is_accepted_and_stored_unchanged(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        data = draw(1)
        response = upload(signed_in, empty_draft, "holiday/face.jpg", data)
        assert outcome_of(response) == {"state": "accepted", "code": "", "new": True}
        image = Image.objects.get()
        assert (image.original_name, image.byte_size) == ("holiday/face.jpg", len(data))
        assert stored_files(media)[image.storage_key] == data
        assert actions()[-1] == "images.received"

    def test_bad_file_is_rejected_with_its_code(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        response = upload(signed_in, empty_draft, "notes.jpg", b"%PDF-1.7 " * 200)
        image = Image.objects.get()
        assert (image.state, image.reason) == ("left_out", outcome_of(response)["code"])
        assert "PDF" in image.explanation
        assert stored_files(media) == {}

    def test_same_file_twice_is_not_new(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        first, again = (upload(signed_in, empty_draft, "face.jpg", draw(1)) for _ in range(2))
        assert outcome_of(first)["new"] is True
        assert outcome_of(again) == {"state": "accepted", "code": "", "new": False}
        assert set(stored_files(media)) == keys_of(Image.objects.get())

    def test_same_image_under_another_name_is_a_duplicate(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        upload(signed_in, empty_draft, "face.jpg", draw(1))
        response = upload(signed_in, empty_draft, "copy.jpg", draw(1))
        assert outcome_of(response) == {"state": "left_out", "code": "duplicate", "new": True}
        assert "as face.jpg" in words(page_of(signed_in, empty_draft))

    def test_size_alone_rejects_a_file_that_is_too_large(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        response = upload(signed_in, empty_draft, "film.jpg", b"", MAX_BYTES + 1)
        assert outcome_of(response) == {"state": "left_out", "code": "too_large", "new": True}
        assert Image.objects.get().byte_size == MAX_BYTES + 1
        assert stored_files(media) == {}

    def test_file_that_is_too_large_is_rejected_on_arrival(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        response = upload(signed_in, empty_draft, "film.jpg", b"\xff" * (MAX_BYTES + 5))
        assert outcome_of(response)["code"] == "too_large"
        assert stored_files(media) == {}

    @pytest.mark.parametrize(
        ("data", "size"),
        [
            (draw(1), len(draw(1)) + 1),
            (draw(1), len(draw(1)) - 1),
            (draw(1), 0),
            (draw(1), ""),
            (draw(1), "-1"),
            (draw(1), "9" * 400),
            (b"", 5_000),
            (b"", MAX_BYTES),
        ],
    )
    def test_wrong_size_stores_nothing(
        self, data: bytes, size: int | str, signed_in: Client, draft: Import, media: Path
    ) -> None:
        before, events = stored_files(media), actions()
        response = upload(signed_in, draft, "face.jpg", data, size)
        assert response.status_code == 400
        assert response.json()["code"] == "incomplete"
        assert "Try again" in response.json()["reason"]
        assert (draft.files.count(), stored_files(media), actions()) == (3, before, events)

    def test_group_is_answered_file_by_file(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        group = [
            *[("face.jpg", draw(1), len(draw(1))), ("notes.txt", b"no picture", 10)],
            *[("film.jpg", b"", MAX_BYTES + 1), ("face.jpg", draw(1), len(draw(1)))],
        ]
        response = upload_group(signed_in, empty_draft, *group)
        assert response.status_code == 200
        assert response.json() == {
            "files": [
                {"state": "accepted", "code": "", "new": True},
                {"state": "left_out", "code": "not_jpeg_or_png", "new": True},
                {"state": "left_out", "code": "too_large", "new": True},
                {"state": "accepted", "code": "", "new": False},
            ]
        }
        names = Image.objects.values_list("original_name", flat=True)
        assert list(names) == ["face.jpg", "notes.txt", "film.jpg"]

    def test_group_with_one_incomplete_file_stores_nothing(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        group = ("a.jpg", draw(1), len(draw(1))), ("b.jpg", draw(2)[:-9], len(draw(2)))
        response = upload_group(signed_in, empty_draft, *group)
        assert (response.status_code, response.json()["code"]) == (400, "incomplete")
        assert (Image.objects.count(), stored_files(media)) == (0, {})

    @pytest.mark.parametrize("field", ["name", "size", "file"])
    def test_group_with_a_field_too_few_stores_nothing(
        self, field: str, signed_in: Client, empty_draft: Import
    ) -> None:
        fields: dict[str, list[object]] = {
            "name": ["a.jpg", "b.jpg"],
            "size": [len(draw(1)), len(draw(2))],
            "file": [SimpleUploadedFile("file", draw(1)), SimpleUploadedFile("file", draw(2))],
        }
        fields[field].pop()
        path = f"/imports/{empty_draft.pk}/files/"
        response = signed_in.post(path, fields, headers={"Accept": "application/json"})
        assert (response.status_code, response.json()["code"]) == (400, "incomplete")
        assert not Image.objects.exists()

    def test_request_of_several_groups_keeps_what_came_before_a_failure(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        media.mkdir()
        (media / "imports").write_text("a file where the folder should be")
        bad = [(f"{number}.txt", b"no picture", 10) for number in range(GROUP_FILES)]
        good = ("face.jpg", draw(1), len(draw(1)))
        response = upload_group(signed_in, empty_draft, *bad, good)
        assert (response.status_code, response.json()["code"]) == (507, "not_stored")
        assert len(response.json()["files"]) == GROUP_FILES
        assert empty_draft.files.count() == GROUP_FILES

    def test_empty_file_is_rejected_and_recorded(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        assert outcome_of(upload(signed_in, empty_draft, "empty.jpg", b""))["code"] == "empty"
        assert Image.objects.get().original_name == "empty.jpg"

    def test_submitted_import_accepts_no_file(
        self, signed_in: Client, draft: Import, actor: Actor, media: Path
    ) -> None:
        submit(draft, actor)
        response = upload(signed_in, draft, "late.jpg", draw(9))
        assert (response.status_code, response.json()["code"]) == (409, "sealed")
        late_and_bad = upload(signed_in, draft, "late.txt", b"not a picture" * 100)
        assert late_and_bad.status_code == 409
        assert set(stored_files(media)) == keys_of(*draft.files.all())
        assert draft.files.count() == 3

    def test_file_is_refused_for_now_while_enough_are_inspected(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        before = actions()
        with every_place_taken():
            response = upload(signed_in, empty_draft, "face.jpg", draw(1))
        assert (response.status_code, response.json()["code"]) == (503, "busy")
        assert int(response.headers["Retry-After"]) > 0
        assert (Image.objects.count(), stored_files(media), actions()) == (0, {}, before)
        assert upload(signed_in, empty_draft, "face.jpg", draw(1)).status_code == 200

    def test_storage_failure_is_reported_and_stores_nothing(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        media.mkdir()
        (media / "imports").write_text("a file where the folder should be")
        response = upload(signed_in, empty_draft, "face.jpg", draw(1))
        assert (response.status_code, response.json()["code"]) == (507, "not_stored")
        assert "Try again" in response.json()["reason"]
        assert not Image.objects.exists()

    def test_response_never_contains_the_storage_key(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        response = upload(signed_in, empty_draft, "face.jpg", draw(1))
        key = Image.objects.get().storage_key
        assert key
        assert key not in response.content.decode() + page_of(signed_in, empty_draft)


class TestForm:
    def test_form_reports_each_of_several_files(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        files = [("a.jpg", draw(1)), ("b.jpg", draw(2)), ("c.txt", b"words " * 300)]
        response = upload_by_form(signed_in, empty_draft, *files)
        assert response.redirect_chain == [(f"/imports/{empty_draft.pk}/", 302)]
        assert "2 accepted, 1 rejected." in words_of(response)
        assert list(empty_draft.files.values_list("original_name", "state")) == [
            ("a.jpg", "accepted"),
            ("b.jpg", "accepted"),
            ("c.txt", "left_out"),
        ]

    def test_form_accepts_128_files_in_one_request(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        files = [(f"face-{seed}.jpg", draw(seed, size=(200, 200))) for seed in range(128)]
        response = upload_by_form(signed_in, empty_draft, *files)
        assert "in 3 batches (50, 49, 29)" in words_of(response)
        assert set(stored_files(media)) == keys_of(*empty_draft.files.all())
        assert empty_draft.files.count() == 128

    def test_form_waits_for_a_place(self, signed_in: Client, empty_draft: Import) -> None:
        with every_place_taken() as places:
            release = threading.Timer(BRIEFLY_SECONDS * 2, places.close)
            release.start()
            response = upload_by_form(signed_in, empty_draft, ("a.jpg", draw(1)))
            release.join()
        assert "1 accepted, 0 rejected." in words_of(response)

    def test_form_without_a_file_says_so(self, signed_in: Client, draft: Import) -> None:
        response = upload_by_form(signed_in, draft)
        assert "Choose at least one file." in words_of(response)
        assert draft.files.count() == 3

    def test_form_refuses_more_than_1000_files(self, signed_in: Client, draft: Import) -> None:
        data = draw(9, size=(200, 200))
        response = upload_by_form(signed_in, draft, *[(f"{n}.jpg", data) for n in range(1001)])
        assert response.status_code == 400
        assert "More than 1,000 files" in words_of(response)
        assert draft.files.count() == 3

    def test_form_refuses_files_for_a_submitted_import(
        self, signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        submit(draft, actor)
        text = words(upload_by_form(signed_in, draft, ("late.jpg", draw(9))).content.decode())
        assert "no longer a draft" in text
        assert "No file was chosen" not in text
        assert draft.files.count() == 3

    def test_storage_failure_keeps_earlier_files_of_the_form(
        self, signed_in: Client, empty_draft: Import, settings: Settings, media: Path
    ) -> None:
        (media / "imports").mkdir(parents=True)
        (media / "imports" / str(empty_draft.pk)).write_text("in the way")
        files = [(f"words-{n}.txt", b"words " * 300) for n in range(GROUP_FILES)]
        files += [("face.jpg", draw(1)), ("more.txt", b"words " * 300)]
        text = words(upload_by_form(signed_in, empty_draft, *files).content.decode())
        assert "could not store every file" in text
        assert "0 accepted, 20 rejected." in text
        assert list(Image.objects.values_list("original_name", flat=True)) == [
            name for name, _ in files[:GROUP_FILES]
        ]

    def test_form_rejects_a_file_that_is_too_large(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        large = ("film.jpg", b"\xff" * (MAX_BYTES + 1))
        text = words(upload_by_form(signed_in, empty_draft, large).content.decode())
        assert "0 accepted, 1 rejected." in text
        assert Image.objects.get().reason == "too_large"
        assert stored_files(media) == {}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
@pytest.mark.parametrize("data", [draw(1), b"not a picture " * 99], ids=["accepted", "rejected"])
def test_odd_file_name_is_kept_and_shown_safely(
    data: bytes, name: str, signed_in: Client, empty_draft: Import, media: Path
) -> None:
    assert upload(signed_in, empty_draft, name, data).status_code == 200
    assert Image.objects.get().original_name == name
    html = page_of(signed_in, empty_draft)
    assert escape(file_name(name)) in html
    if re.search("[<>\"'&]", name):
        assert name not in html
    assert not set("\u202e\u200b\ufeff") & set(html)
    for key in stored_files(media):
        assert re.fullmatch(rf"imports/{empty_draft.pk}/[0-9a-f]{{32}}\.jpg", key)


def test_odd_file_name_is_safe_in_the_duplicate_message(
    signed_in: Client, empty_draft: Import
) -> None:
    upload(signed_in, empty_draft, "<b>cod\u202egpj</b>", draw(1))
    upload(signed_in, empty_draft, "twin.jpg", draw(1))
    html = page_of(signed_in, empty_draft)
    assert "\\u202e" in html
    assert "\u202e" not in html
    assert "<b>cod" not in html
