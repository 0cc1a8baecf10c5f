"""A draft in the browser: files arrive, are looked over, removed, attested and sent."""

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers import consent, intake
from importers.audit import Actor
from importers.consent import Answers
from importers.images import MOST_BYTES
from importers.models import (
    Attestation,
    AuditEvent,
    Batch,
    Environment,
    FaceList,
    Image,
    Import,
    Statement,
)
from importers.templatetags.consentry import file_name, in_words, person
from tests.support.attestations import ANSWERS, submit
from tests.support.pages import page_of, upload, upload_by_form, values_of, words
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db
MakeDraft = Callable[..., Import]
TO_CONTENTS = {"HX-Request": "true", "HX-Target": "contents"}
ODD_NAMES = {
    "three hundred characters": "a" * 296 + ".jpg",
    "a way out": "../../etc/passwd",
    "a line break": "one\r\ntwo.jpg",
    "turned round": "cod\u202egpj.exe",
    "markup": "<script>alert(1)</script>.jpg",
    "quotes": "\"onload='x' .jpg",
    "an entity": "&lt;svg onload=x&gt;.jpg",
    "no width": "a\u200bb\ufeff.jpg",
    "another script": "Ζωή Ωμέγα 顔.jpg",
    "a formula": "=HYPERLINK(1).jpg",
}


@pytest.fixture
def draft(make_draft: MakeDraft, face_list: FaceList) -> Import:
    return make_draft(face_list, 3)


@pytest.fixture
def empty_draft(make_draft: MakeDraft, face_list: FaceList) -> Import:
    return make_draft(face_list, 0)


def put_rows(draft: Import, count: int, state: str = Image.State.ACCEPTED) -> None:
    """Rows of images without their bytes: enough for what only counts and pages."""
    accepted = state == Image.State.ACCEPTED
    Image.objects.bulk_create(
        Image(
            face_import=draft,
            original_name=f"row-{number:03}.jpg",
            byte_size=10_000,
            sha256=f"{number:064x}",
            state=state,
            format="JPEG" if accepted else "",
            reason="" if accepted else "damaged",
            explanation="" if accepted else "It is damaged.",
        )
        for number in range(count)
    )


def stored(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


SHOWN = ("statement_version", "manifest_sha256", "shown_list")


def answers_of(html: str, **changes: Any) -> dict[str, Any]:
    """The filled-in attestation, with what the page has in its hidden fields."""
    shown = {name: values_of(html, name)[0] for name in SHOWN}
    given = asdict(ANSWERS) | {"attested": "on", "adults_only": "on"} | shown | changes
    return {name: value for name, value in given.items() if value is not None}


def attest(client: Client, draft: Import, html: str = "", **changes: Any) -> Any:
    typed = answers_of(html or page_of(client, draft), **changes)
    return client.post(reverse("import_attest", args=[draft.pk]), typed)


def actions() -> list[str]:
    return list(AuditEvent.objects.values_list("action", flat=True))


class TestNewImport:
    def test_choosing_a_list_opens_a_draft(
        self, signed_in: Client, officer: User, face_list: FaceList
    ) -> None:
        answer = signed_in.post("/imports/new/", {"face_list": face_list.pk})
        draft = Import.objects.get()
        assert (answer.status_code, answer.url) == (302, f"/imports/{draft.pk}/")  # type: ignore[attr-defined]
        assert (draft.state, draft.face_list, draft.created_by) == ("draft", face_list, officer)
        assert actions()[-1] == "import.drafted"

    def test_list_in_the_link_is_preselected(self, signed_in: Client, face_list: FaceList) -> None:
        html = signed_in.get(f"/imports/new/?list={face_list.pk}").content.decode()
        assert re.search(rf'<option value="{face_list.pk}"\s+selected', html)

    @pytest.mark.parametrize("typed", ["", "x", "999999", "9" * 40])
    def test_draft_needs_a_known_list(
        self, typed: str, signed_in: Client, face_list: FaceList
    ) -> None:
        answer = signed_in.post("/imports/new/", {"face_list": typed})
        assert answer.status_code == 422
        assert re.search(
            "Choose the face list|is not one of Persona", words(answer.content.decode())
        )
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
        assert "No face list is known yet" in html
        assert 'name="face_list"' not in html


class TestUploadByScript:
    def test_good_file_is_accepted_and_stored_unchanged(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        data = draw(1)
        answer = upload(signed_in, empty_draft, "holiday/face.jpg", data)
        assert answer.json() == {"state": "accepted", "code": "", "new": True}
        image = Image.objects.get()
        assert (image.original_name, image.byte_size) == ("holiday/face.jpg", len(data))
        assert [path.read_bytes() for path in stored(media)] == [data]
        assert actions()[-1] == "image.accepted"

    def test_bad_file_is_rejected_with_its_code(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        answer = upload(signed_in, empty_draft, "notes.jpg", b"%PDF-1.7 " * 200)
        assert answer.status_code == 200
        assert answer.json()["state"] == "left_out"
        image = Image.objects.get()
        assert (image.state, image.reason) == ("left_out", answer.json()["code"])
        assert "PDF" in image.explanation
        assert stored(media) == []

    def test_same_file_twice_is_not_new(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        first, again = (upload(signed_in, empty_draft, "face.jpg", draw(1)) for _ in range(2))
        assert first.json()["new"] is True
        assert again.json() == {"state": "accepted", "code": "", "new": False}
        assert Image.objects.count() == len(stored(media)) == 1

    def test_same_image_under_another_name_is_a_duplicate(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        upload(signed_in, empty_draft, "face.jpg", draw(1))
        answer = upload(signed_in, empty_draft, "copy.jpg", draw(1))
        assert answer.json() == {"state": "left_out", "code": "duplicate", "new": True}
        assert "as face.jpg" in words(page_of(signed_in, empty_draft))

    def test_size_alone_rejects_a_file_that_is_too_large(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        answer = upload(signed_in, empty_draft, "film.jpg", None, MOST_BYTES + 1)
        assert answer.json() == {"state": "left_out", "code": "too_large", "new": True}
        assert Image.objects.get().byte_size == MOST_BYTES + 1
        assert stored(media) == []

    def test_file_that_is_too_large_is_rejected_on_arrival(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        answer = upload(signed_in, empty_draft, "film.jpg", b"\xff" * (MOST_BYTES + 5))
        assert answer.json()["code"] == "too_large"
        assert stored(media) == []

    @pytest.mark.parametrize(
        ("data", "size"),
        [
            (draw(1), len(draw(1)) + 1),
            (draw(1), len(draw(1)) - 1),
            (draw(1), 0),
            (draw(1), ""),
            (draw(1), "-1"),
            (draw(1), "9" * 400),
            (None, 5_000),
            (None, MOST_BYTES),
            (b"", 5_000),
        ],
    )
    def test_wrong_size_stores_nothing(
        self, data: bytes | None, size: int | str, signed_in: Client, draft: Import, media: Path
    ) -> None:
        before, events = stored(media), actions()
        answer = upload(signed_in, draft, "face.jpg", data, size)
        assert answer.status_code == 400
        assert answer.json()["code"] == "incomplete"
        assert "try again" in answer.json()["reason"]
        assert (draft.files.count(), stored(media), actions()) == (3, before, events)

    def test_empty_file_is_rejected_and_recorded(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        assert upload(signed_in, empty_draft, "empty.jpg", b"").json()["code"] == "empty"
        assert Image.objects.get().original_name == "empty.jpg"

    def test_submitted_import_accepts_no_file(
        self, signed_in: Client, draft: Import, actor: Actor, media: Path
    ) -> None:
        submit(draft, actor)
        answer = upload(signed_in, draft, "late.jpg", draw(9))
        assert (answer.status_code, answer.json()["code"]) == (409, "sealed")
        late_and_bad = upload(signed_in, draft, "late.txt", b"not a picture" * 100)
        assert late_and_bad.status_code == 409
        assert draft.files.count() == len(stored(media)) == 3

    def test_storage_failure_is_reported_and_stores_nothing(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        media.mkdir()
        (media / "imports").write_text("a file where the folder should be")
        answer = upload(signed_in, empty_draft, "face.jpg", draw(1))
        assert (answer.status_code, answer.json()["code"]) == (507, "not_stored")
        assert "try again" in answer.json()["reason"]
        assert not Image.objects.exists()

    def test_response_never_contains_the_storage_key(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        answer = upload(signed_in, empty_draft, "face.jpg", draw(1))
        key = Image.objects.get().storage_key
        assert key
        assert key not in answer.content.decode() + page_of(signed_in, empty_draft)


class TestUploadByForm:
    def test_form_reports_each_of_several_files(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        files = [("a.jpg", draw(1)), ("b.jpg", draw(2)), ("c.txt", b"words " * 300)]
        answer = upload_by_form(signed_in, empty_draft, *files)
        assert answer.redirect_chain == [(f"/imports/{empty_draft.pk}/", 302)]
        assert "2 accepted, 1 left out." in words(answer.content.decode())
        assert list(empty_draft.files.values_list("original_name", "state")) == [
            ("a.jpg", "accepted"),
            ("b.jpg", "accepted"),
            ("c.txt", "left_out"),
        ]

    def test_form_accepts_128_files_in_one_request(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        files = [(f"face-{seed}.jpg", draw(seed, size=(200, 200))) for seed in range(128)]
        answer = upload_by_form(signed_in, empty_draft, *files)
        assert "128 images in 3 requests (50, 50, 28)" in words(answer.content.decode())
        assert empty_draft.files.count() == len(stored(media)) == 128

    def test_form_without_a_file_says_so(self, signed_in: Client, draft: Import) -> None:
        answer = upload_by_form(signed_in, draft)
        assert "No file was chosen." in words(answer.content.decode())
        assert draft.files.count() == 3

    def test_form_refuses_more_than_1000_files(self, signed_in: Client, draft: Import) -> None:
        data = draw(9, size=(200, 200))
        answer = upload_by_form(signed_in, draft, *[(f"{n}.jpg", data) for n in range(1001)])
        assert answer.status_code == 400
        assert "More than 1,000 files" in words(answer.content.decode())
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
        files = [("words.txt", b"words " * 300), ("face.jpg", draw(1)), ("two.jpg", draw(2))]
        text = words(upload_by_form(signed_in, empty_draft, *files).content.decode())
        assert "could not store every file" in text
        assert "0 accepted, 1 left out." in text
        assert [image.original_name for image in Image.objects.all()] == ["words.txt"]

    def test_form_rejects_a_file_that_is_too_large(
        self, signed_in: Client, empty_draft: Import, media: Path
    ) -> None:
        large = ("film.jpg", b"\xff" * (MOST_BYTES + 1))
        text = words(upload_by_form(signed_in, empty_draft, large).content.decode())
        assert "0 accepted, 1 left out." in text
        assert Image.objects.get().reason == "too_large"
        assert stored(media) == []


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
@pytest.mark.parametrize("data", [draw(1), b"not a picture " * 99], ids=["accepted", "left out"])
def test_odd_file_name_is_kept_and_shown_safely(
    data: bytes, name: str, signed_in: Client, empty_draft: Import, media: Path
) -> None:
    assert upload(signed_in, empty_draft, name, data).status_code == 200
    assert Image.objects.get().original_name == name
    html = page_of(signed_in, empty_draft)
    assert file_name(name) in words(html)
    if re.search("[<>\"'&]", name):
        assert name not in html
    assert not set("\u202e\u200b\ufeff") & set(html)
    for path in stored(media):
        assert path.is_relative_to(media / "imports")
        assert re.fullmatch(r"[0-9a-f]{32}\.jpg", path.name)


def test_odd_file_name_is_safe_in_the_duplicate_message(
    signed_in: Client, empty_draft: Import
) -> None:
    upload(signed_in, empty_draft, "<b>cod\u202egpj</b>", draw(1))
    upload(signed_in, empty_draft, "twin.jpg", draw(1))
    html = page_of(signed_in, empty_draft)
    assert "\\u202e" in html
    assert "\u202e" not in html
    assert "<b>cod" not in html


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("a\nb", "a\\u000ab"),
        ("\u202eexe", "\\u202eexe"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("é顔😀", "é顔😀"),
    ],
)
def test_invisible_characters_in_file_names_are_spelled_out(name: str, shown: str) -> None:
    assert file_name(name) == shown


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ([], ""),
        ([12], "12"),
        ([50, 50, 37], "50, 50, 37"),
        ([50] * 7, "7 × 50"),
        ([50] * 40 + [12], "40 × 50, then 12"),
        ([2, 3, 2, 3, 2, 3, 1], "1 to 3 each"),
        ([50] * 6 + [49, 48], "48 to 50 each"),
    ],
)
def test_request_sizes_are_described_in_words(sizes: list[int], shown: str) -> None:
    assert in_words(sizes) == shown


def test_person_is_shown_by_full_name_or_username() -> None:
    assert person(User(username="mo", first_name="Maya", last_name="Okafor")) == "Maya Okafor"
    assert person(User(username="mo")) == "mo"


class TestLookingOver:
    def test_page_shows_how_the_draft_would_be_sent(self, signed_in: Client, draft: Import) -> None:
        put_rows(draft, 134)
        html = page_of(signed_in, draft)
        assert "137 images in 3 requests (50, 50, 37)" in words(html)
        assert 'data-images="137"' in html
        assert 'data-state="draft"' in html

    def test_page_uses_the_singular_for_one_image(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        put_rows(empty_draft, 1)
        assert "1 image in 1 request (1)" in words(page_of(signed_in, empty_draft))

    def test_large_images_need_more_requests(
        self, signed_in: Client, empty_draft: Import, settings: Settings
    ) -> None:
        put_rows(empty_draft, 5)
        Image.objects.update(byte_size=9_000_000)
        text = words(page_of(signed_in, empty_draft))
        assert "5 images in 3 requests (2, 2, 1)" in text
        settings.BATCH_MAX_IMAGES = 1
        assert "5 images in 5 requests" in words(page_of(signed_in, empty_draft))

    def test_page_says_when_no_image_is_accepted(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        put_rows(empty_draft, 2, Image.State.LEFT_OUT)
        text = words(page_of(signed_in, empty_draft))
        assert "No image accepted yet. 2 left out." in text

    def test_gallery_pages_have_no_gap_and_no_repeat(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        put_rows(empty_draft, 100)
        pages = [page_of(signed_in, empty_draft, f"?page={number}") for number in (1, 2, 3)]
        shown = [re.findall(r'alt="(row-\d+.jpg)"', html) for html in pages]
        assert [len(names) for names in shown] == [48, 48, 4]
        assert sorted(sum(shown, [])) == [f"row-{number:03}.jpg" for number in range(100)]
        assert "97–100 of 100" in words(pages[2])

    def test_rejected_files_are_paged_separately(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        put_rows(empty_draft, 49)
        put_rows(empty_draft, 45, Image.State.LEFT_OUT)
        html = page_of(signed_in, empty_draft, "?left=3&page=2")
        assert html.count('data-code="damaged"') == 5
        assert re.findall(r'alt="(row-\d+.jpg)"', html) == ["row-048.jpg"]
        assert "?left=2&amp;page=2" in html
        assert "?page=1&amp;left=3" in html

    @pytest.mark.parametrize("page", ["0", "-1", "99", "x", "9" * 40, ""])
    def test_page_number_out_of_range_shows_a_valid_page(
        self, page: str, signed_in: Client, draft: Import
    ) -> None:
        assert 'alt="face-0.jpg"' in page_of(signed_in, draft, f"?page={page}&left={page}")

    def test_contents_are_served_as_a_fragment(self, signed_in: Client, draft: Import) -> None:
        html = signed_in.get(f"/imports/{draft.pk}/contents/").content.decode()
        assert "<html" not in html
        assert "3 images in 1 request (3)" in words(html)
        assert values_of(html, "manifest_sha256") == [
            consent.manifest_sha256(consent.manifest(draft))
        ]


class TestChanging:
    def remove(self, client: Client, image: Image, **more: Any) -> Any:
        path = reverse("image_remove", args=[image.face_import_id, image.key])
        return client.post(path, **more)

    def test_image_is_removed_with_its_bytes(
        self, signed_in: Client, draft: Import, media: Path
    ) -> None:
        image = draft.files.get(original_name="face-1.jpg")
        answer = self.remove(signed_in, image)
        assert (answer.status_code, answer.url) == (302, f"/imports/{draft.pk}/")
        assert [row.original_name for row in draft.files.all()] == ["face-0.jpg", "face-2.jpg"]
        assert len(stored(media)) == 2
        event = AuditEvent.objects.latest("pk")
        assert (event.action, event.details) == ("image.removed", {"sha256": image.sha256})

    def test_htmx_removal_returns_the_new_contents(self, signed_in: Client, draft: Import) -> None:
        before = page_of(signed_in, draft)
        answer = self.remove(
            signed_in, draft.files.get(original_name="face-1.jpg"), headers=TO_CONTENTS
        )
        html = answer.content.decode()
        assert answer.status_code == 200
        assert "<html" not in html
        assert "2 images in 1 request (2)" in words(html)
        assert "face-1.jpg" not in html
        assert values_of(html, "manifest_sha256") != values_of(before, "manifest_sha256")

    def test_removal_keeps_the_gallery_page(self, signed_in: Client, draft: Import) -> None:
        put_rows(draft, 100)
        path = reverse("image_remove", args=[draft.pk, draft.files.first().key])  # type: ignore[union-attr]
        html = signed_in.post(f"{path}?page=2", headers=TO_CONTENTS).content.decode()
        assert "49–96 of 102" in words(html)

    def test_image_of_another_import_cannot_be_removed(
        self, signed_in: Client, draft: Import, make_draft: MakeDraft
    ) -> None:
        other = make_draft(draft.face_list, 1, first_seed=50)
        path = reverse("image_remove", args=[draft.pk, other.files.get().key])
        assert signed_in.post(path).status_code == 404
        assert other.files.count() == 1

    def test_removing_an_image_twice_removes_it_once(
        self, signed_in: Client, draft: Import
    ) -> None:
        image = draft.files.first()
        assert image is not None
        assert self.remove(signed_in, image).status_code == 302
        assert self.remove(signed_in, image).status_code == 404
        assert draft.files.count() == 2
        assert actions().count("image.removed") == 1

    def test_clearing_rejected_files_keeps_accepted_images(
        self, signed_in: Client, draft: Import, media: Path
    ) -> None:
        put_rows(draft, 5, Image.State.LEFT_OUT)
        path = reverse("left_out_remove", args=[draft.pk])
        html = signed_in.post(path, headers=TO_CONTENTS).content.decode()
        assert "data-code" not in html
        assert [image.state for image in draft.files.all()] == ["accepted"] * 3
        assert len(stored(media)) == 3
        event = AuditEvent.objects.latest("pk")
        assert (event.action, event.details) == ("left_out.cleared", {"count": 5})

    def test_list_of_a_draft_can_be_changed(self, signed_in: Client, draft: Import) -> None:
        other = FaceList.objects.create(environment="local", persona_id="lst_2", name="Second")
        path = reverse("import_list", args=[draft.pk])
        answer = signed_in.post(path, {"face_list": other.pk}, follow=True)
        draft.refresh_from_db()
        assert draft.face_list == other
        assert re.search(rf'<option value="{other.pk}"\s+selected', answer.content.decode())
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
        answer = signed_in.post(path, {"face_list": typed}, follow=True)
        assert "Choose one of the lists." in words(answer.content.decode())
        assert Import.objects.get(pk=draft.pk).face_list == draft.face_list

    def test_discarding_destroys_the_bytes_and_keeps_the_record(
        self, signed_in: Client, draft: Import, media: Path
    ) -> None:
        hashes = sorted(image.sha256 for image in draft.files.all())
        answer = signed_in.post(reverse("import_discard", args=[draft.pk]), follow=True)
        draft.refresh_from_db()
        assert draft.state == "canceled"
        assert 'data-state="canceled"' in answer.content.decode()
        assert stored(media) == []
        kept = draft.files.exclude(destroyed_at=None).filter(storage_key="")
        assert sorted(kept.values_list("sha256", flat=True)) == hashes
        assert AuditEvent.objects.latest("pk").details == {"destroyed": 3}

    def test_stale_draft_page_is_reloaded_after_submission(
        self, signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        submit(draft, actor)
        path = reverse("left_out_remove", args=[draft.pk])
        answer = signed_in.post(path, headers={"HX-Request": "true", "HX-Target": "contents"})
        assert answer.headers["HX-Refresh"] == "true"

    @pytest.mark.parametrize(
        "name", ["import_discard", "left_out_remove", "image_remove", "import_list"]
    )
    def test_submitted_import_cannot_be_changed(
        self, name: str, signed_in: Client, draft: Import, actor: Actor, media: Path
    ) -> None:
        put_rows(draft, 1, Image.State.LEFT_OUT)
        submit(draft, actor)
        before = list(draft.files.values()), Import.objects.values().get(), actions()
        more = [draft.files.first().key] if name == "image_remove" else []  # type: ignore[union-attr]
        path = reverse(name, args=[draft.pk, *more])
        answer = signed_in.post(path, {"face_list": draft.face_list_id}, follow=True)
        assert "no longer a draft" in words(answer.content.decode())
        assert (list(draft.files.values()), Import.objects.values().get(), actions()) == before
        assert len(stored(media)) == 3


class TestAttesting:
    def test_signing_stores_the_attestation_and_cuts_batches(
        self, signed_in: Client, draft: Import, officer: User
    ) -> None:
        answer = attest(signed_in, draft)
        assert (answer.status_code, answer.url) == (302, f"/imports/{draft.pk}/")
        draft.refresh_from_db()
        assert draft.state == "forwarding"
        record = Attestation.objects.get()
        stored_answers = {name: getattr(record, name) for name in Answers.__dataclass_fields__}
        assert stored_answers == asdict(ANSWERS)
        assert record.statement_text == consent.FIRST_STATEMENT
        assert (record.signed_by, record.signed_from) == (officer, "127.0.0.1")
        assert (record.sign_in_method, record.image_count) == ("password", 3)
        assert record.manifest_sha256 == consent.manifest_sha256(consent.manifest(draft))
        consent.check(record)
        batch = Batch.objects.get()
        assert (batch.number, batch.state, batch.image_count) == (1, "queued", 3)
        assert batch.images.count() == 3
        assert actions()[-2:] == ["import.attested", "import.sent"]

    @pytest.mark.parametrize(
        ("field", "typed", "told"),
        [
            ("lawful_basis", "", "Choose the lawful basis."),
            ("lawful_basis", "because", "Select a valid choice"),
            ("jurisdictions", [], "Tick at least one place."),
            ("jurisdictions", ["mars"], "Select a valid choice"),
            ("purpose", " ", "State the purpose"),
            ("purpose", "x" * 2001, "at most 2000"),
            ("consent_from", "", "Say when the subjects consented."),
            ("consent_from", "2026-02-30", "valid date"),
            ("consent_from", "2999-01-01", "lies in the future"),
            ("consent_to", "2025-12-31", "ends before it begins"),
            ("consent_to", "2999-01-01", "lies in the future"),
            ("notice_version", "", "Name the version of the notice"),
            ("image_source", "", "Choose where the images come from."),
            ("evidence_reference", "", "Say where the evidence can be found."),
            ("adults_only", None, "confirm that all are adults"),
            ("typed_name", "", "Type your full name"),
            ("typed_name", "12345 !", "in letters"),
            ("attested", None, "Tick the box"),
        ],
    )
    def test_wrong_answer_is_marked_and_the_others_are_kept(
        self, field: str, typed: Any, told: str, signed_in: Client, draft: Import
    ) -> None:
        answer = attest(signed_in, draft, **{field: typed})
        html = answer.content.decode()
        assert answer.status_code == 422
        assert told in words(html)
        assert "Nothing was sent" in words(html)
        assert field in answer.context["form"].errors
        for name in {"notice_version", "evidence_reference", "typed_name"} - {field}:
            assert values_of(html, name) == [getattr(ANSWERS, name)]
        if field != "jurisdictions":
            assert re.search(r'value="us-il"[^>]*\schecked', html)
        if field != "purpose":
            assert ANSWERS.purpose in html
        assert Import.objects.get().is_draft
        assert not Attestation.objects.exists()

    def test_only_the_consent_basis_requires_consent_dates(
        self, signed_in: Client, draft: Import
    ) -> None:
        answer = attest(
            signed_in, draft, lawful_basis="legal_claims", consent_from="", consent_to=""
        )
        assert answer.status_code == 302
        assert Attestation.objects.get().consent_from is None

    def test_consent_period_needs_a_first_day_on_any_basis(
        self, signed_in: Client, draft: Import
    ) -> None:
        answer = attest(signed_in, draft, lawful_basis="legal_claims", consent_from="")
        assert "Give the first day of the period too." in words(answer.content.decode())
        assert Import.objects.get().is_draft

    def test_answers_are_escaped_when_shown_again(self, signed_in: Client, draft: Import) -> None:
        typed = '"><script>alert(1)</script>'
        html = attest(signed_in, draft, purpose=typed, evidence_reference=typed, attested=None)
        assert "<script>alert" not in html.content.decode()
        assert values_of(html.content.decode(), "evidence_reference") == [typed]

    def test_images_changed_in_another_tab_block_signing(
        self, signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        shown = page_of(signed_in, draft)
        intake.take(draft, "new.jpg", draw(77), len(draw(77)), actor)
        answer = attest(signed_in, draft, shown)
        html = answer.content.decode()
        assert answer.status_code == 422
        assert "changed after this page was shown" in words(html)
        assert ANSWERS.purpose in html
        assert values_of(html, "typed_name") != [ANSWERS.typed_name], "signed for something else"
        assert not re.search(r'name="attested"[^>]*checked', html)
        assert Import.objects.get().is_draft
        assert not Attestation.objects.exists()
        assert attest(signed_in, draft, html).status_code == 302
        assert Attestation.objects.get().image_count == 4

    def test_list_changed_in_another_tab_blocks_signing(
        self, signed_in: Client, draft: Import, actor: Actor
    ) -> None:
        shown = page_of(signed_in, draft)
        other = FaceList.objects.create(environment="local", persona_id="lst_2", name="Second")
        intake.change_list(draft, other, actor)
        answer = attest(signed_in, draft, shown)
        html = answer.content.decode()
        assert answer.status_code == 422
        assert "changed after this page was shown" in words(html)
        assert not Attestation.objects.exists()
        attest(signed_in, draft, html)
        assert Attestation.objects.get().list_persona_id == "lst_2"

    def test_new_statement_must_be_shown_before_signing(
        self, signed_in: Client, draft: Import
    ) -> None:
        shown = page_of(signed_in, draft)
        Statement.objects.create(version=2, text="A new and stricter wording.")
        answer = attest(signed_in, draft, shown)
        html = answer.content.decode()
        assert answer.status_code == 422
        assert "changed after this page was shown" in words(html)
        assert "A new and stricter wording." in html
        assert not Attestation.objects.exists()
        attest(signed_in, draft, html)
        assert Attestation.objects.get().statement_text == "A new and stricter wording."

    @pytest.mark.parametrize(
        "shown",
        [
            {"manifest_sha256": None},
            {"manifest_sha256": "0" * 64},
            {"manifest_sha256": "x"},
            {"statement_version": None},
            {"shown_list": None},
            {"shown_list": "9" * 30},
            {"statement_version": "7"},
        ],
    )
    def test_signing_requires_the_values_that_were_shown(
        self, shown: dict[str, Any], signed_in: Client, draft: Import
    ) -> None:
        assert attest(signed_in, draft, **shown).status_code == 422
        assert not Attestation.objects.exists()

    def test_signing_requires_an_accepted_image(
        self, signed_in: Client, empty_draft: Import
    ) -> None:
        put_rows(empty_draft, 2, Image.State.LEFT_OUT)
        answer = attest(signed_in, empty_draft)
        assert answer.status_code == 422
        assert "no accepted image to send" in words(answer.content.decode())
        assert not Attestation.objects.exists()

    def test_signing_twice_sends_once(self, signed_in: Client, draft: Import) -> None:
        shown = page_of(signed_in, draft)
        attest(signed_in, draft, shown)
        seal = Attestation.objects.get().seal
        typed = answers_of(shown, typed_name="Somebody Else")
        again = signed_in.post(reverse("import_attest", args=[draft.pk]), typed, follow=True)
        assert "already signed and sent" in words(again.content.decode())
        assert Attestation.objects.get().seal == seal
        assert Batch.objects.count() == 1
        assert actions().count("import.sent") == 1

    def test_late_invalid_form_redirects_to_the_import(
        self, signed_in: Client, draft: Import
    ) -> None:
        shown = page_of(signed_in, draft)
        attest(signed_in, draft, shown)
        late = attest(signed_in, draft, shown, typed_name="")
        assert (late.status_code, late.url) == (302, f"/imports/{draft.pk}/")

    def test_signing_a_discarded_draft_says_it_was_discarded(
        self, signed_in: Client, draft: Import
    ) -> None:
        shown = page_of(signed_in, draft)
        signed_in.post(reverse("import_discard", args=[draft.pk]))
        path = reverse("import_attest", args=[draft.pk])
        text = words(signed_in.post(path, answers_of(shown), follow=True).content.decode())
        assert "already discarded" in text
        assert "sent." not in text.replace("before anything was sent.", "")
        assert not Attestation.objects.exists()

    def test_typed_name_is_stored_with_single_spaces(
        self, signed_in: Client, draft: Import
    ) -> None:
        attest(signed_in, draft, typed_name="  Maya   Okafor ")
        assert Attestation.objects.get().typed_name == "Maya Okafor"
