"""Receiving a file: it is checked at once, then stored in the draft or rejected."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from importers.audit.actors import Actor
from importers.intake import drafts, files
from importers.intake.files import IncomingFile, Received
from importers.models import AuditEvent, FaceList, Image, Import
from tests.support.files import incoming, receive_one, remove_one
from tests.support.makers import AddFile
from tests.support.pictures import draw, draw_largest
from tests.support.stored_files import keys_of, stored_files
from tests.support.trail import actions, breaks

pytestmark = pytest.mark.on_both_databases

STORED_NAME = r"imports/{import_id}/[0-9a-f]{{32}}\.{extension}"


def test_row_records_name_size_hash_format_and_pixels(add_file: AddFile, draft: Import) -> None:
    data = draw(7, size=(300, 240))
    received = add_file("Maya Okafor.jpg", data)
    image = Image.objects.get()
    assert received == Received(image, new=True)
    assert image.face_import == draft
    assert image.state == Image.State.ACCEPTED
    assert image.original_name == "Maya Okafor.jpg"
    assert image.byte_size == len(data)
    assert image.sha256 == sha256(data).hexdigest()
    assert (image.format, image.width, image.height) == ("JPEG", 300, 240)
    assert (image.reason, image.explanation) == ("", "")
    assert image.destroyed_at is None


def test_storage_key_is_random(add_file: AddFile, draft: Import) -> None:
    one, other = add_file("a.jpg", draw(1)).image, add_file("b.jpg", draw(2)).image
    pattern = STORED_NAME.format(import_id=draft.pk, extension="jpg")
    for image in (one, other):
        assert re.fullmatch(pattern, image.storage_key)
        assert image.sha256[:8] not in image.storage_key
        assert image.key.hex not in image.storage_key
    assert one.storage_key != other.storage_key


def test_format_comes_from_the_bytes_not_the_name(add_file: AddFile) -> None:
    image = add_file("face.png", draw()).image
    assert (image.format, image.content_type) == ("JPEG", "image/jpeg")
    assert image.storage_key.endswith(".jpg")
    other = add_file("face.jpg", draw(kind="PNG")).image
    assert (other.format, other.content_type) == ("PNG", "image/png")
    assert other.storage_key.endswith(".png")


def test_largest_allowed_image_is_stored_whole(add_file: AddFile, media: Path) -> None:
    data = draw_largest()
    image = add_file("large.png", data).image
    assert image.byte_size == len(data) == 10_000_000
    assert stored_files(media)[image.storage_key] == data


class TestSameFileAgain:
    def test_same_file_twice_changes_nothing(self, add_file: AddFile, media: Path) -> None:
        first = add_file("a.jpg")
        before = stored_files(media), list(Image.objects.values()), actions()
        second = add_file("a.jpg")
        assert second == Received(first.image, new=False)
        assert (stored_files(media), list(Image.objects.values()), actions()) == before

    def test_rejected_file_twice_has_one_row(self, add_file: AddFile, media: Path) -> None:
        first = add_file("notes.txt", b"hello")
        second = add_file("notes.txt", b"hello")
        assert first.new
        assert second == Received(first.image, new=False)
        assert Image.objects.count() == 1
        assert actions().count("images.received") == 1

    def test_same_bytes_under_another_name_are_a_duplicate(
        self, add_file: AddFile, media: Path
    ) -> None:
        first = add_file("a.jpg").image
        received = add_file("b.jpg")
        assert received.new
        assert received.image.state == Image.State.LEFT_OUT
        assert received.image.reason == "duplicate"
        sentence = "The same image is already in this import, as a.jpg."
        assert received.image.explanation == sentence
        assert received.image.sha256 == first.sha256
        assert set(stored_files(media)) == keys_of(first)

    def test_same_name_with_other_bytes_is_another_image(
        self, add_file: AddFile, media: Path
    ) -> None:
        one, other = add_file("a.jpg", draw(1)).image, add_file("a.jpg", draw(2)).image
        assert set(stored_files(media)) == keys_of(one, other)
        assert one != other

    def test_same_file_is_accepted_in_another_import(
        self, add_file: AddFile, face_list: FaceList, actor: Actor
    ) -> None:
        add_file("a.jpg")
        other = drafts.open_draft(face_list, actor)
        data = draw()
        assert receive_one(other, incoming("a.jpg", data), actor).new
        assert Image.objects.filter(state=Image.State.ACCEPTED).count() == 2

    def test_duplicate_is_accepted_once_the_first_is_removed(
        self, add_file: AddFile, actor: Actor, media: Path
    ) -> None:
        remove_one(add_file("a.jpg").image, actor)
        image = add_file("b.jpg").image
        assert image.state == Image.State.ACCEPTED
        assert set(stored_files(media)) > keys_of(image), "the first can be restored"

    @pytest.mark.django_db(transaction=True)
    def test_same_bytes_sent_at_once_add_one_image(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        data, start = draw(), threading.Barrier(2)

        def receive(name: str) -> str:
            start.wait(timeout=10)
            try:
                return receive_one(draft, incoming(name, data), actor).image.state
            finally:
                connection.close()

        for seed in range(5):
            data = draw(seed)
            with ThreadPoolExecutor(2) as pool:
                states = list(pool.map(receive, ["a.jpg", "b.jpg"]))
            assert sorted(states) == ["accepted", "left_out"]
        accepted = Image.objects.filter(state=Image.State.ACCEPTED)
        assert set(stored_files(media)) == keys_of(*accepted)
        assert accepted.count() == 5
        assert breaks() == []

    @pytest.mark.django_db(transaction=True)
    def test_same_file_sent_at_once_is_added_once(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        data, start = draw(), threading.Barrier(2)

        def receive(_: int) -> bool:
            start.wait(timeout=10)
            try:
                return receive_one(draft, incoming("a.jpg", data), actor).new
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(receive, range(2))) == [False, True]
        assert set(stored_files(media)) == keys_of(Image.objects.get())


class TestGroup:
    @pytest.fixture
    def group(self) -> list[IncomingFile]:
        """Two good files, the first of them twice and once under another name, and two bad ones."""
        return [
            incoming("a.jpg", draw(1)),
            incoming("notes.txt", b"notes"),
            incoming("a.jpg", draw(1)),
            incoming("copy of a.jpg", draw(1)),
            incoming("film.jpg", b"", 4_000_000_000),
            incoming("b.png", draw(2, kind="PNG")),
        ]

    def test_each_file_of_a_group_has_its_own_outcome(
        self, group: list[IncomingFile], draft: Import, actor: Actor, media: Path
    ) -> None:
        received = files.receive(draft, group, actor)
        assert [(one.image.original_name, one.image.reason, one.new) for one in received] == [
            ("a.jpg", "", True),
            ("notes.txt", "not_jpeg_or_png", True),
            ("a.jpg", "", False),
            ("copy of a.jpg", "duplicate", True),
            ("film.jpg", "too_large", True),
            ("b.png", "", True),
        ]
        assert received[2].image == received[0].image
        assert list(draft.files.all()) == [one.image for one in received if one.new]
        assert set(stored_files(media)) == keys_of(received[0].image, received[5].image)
        assert all(one.image.storage_key == "" for one in received[3:5])

    def test_one_audit_row_names_every_new_file_of_a_group(
        self, group: list[IncomingFile], draft: Import, actor: Actor
    ) -> None:
        before = actions()
        first, notes, _, copy, film, last = (
            one.image for one in files.receive(draft, group, actor)
        )
        assert actions() == [*before, "images.received"]
        event = AuditEvent.objects.latest("pk")
        assert (event.object_type, event.object_id) == ("import", str(draft.pk))
        assert event.details == {
            "accepted": {str(first.pk): first.sha256, str(last.pk): last.sha256},
            "rejected": {
                str(notes.pk): "not_jpeg_or_png",
                str(copy.pk): "duplicate",
                str(film.pk): "too_large",
            },
        }
        assert breaks() == []

    def test_same_group_again_changes_nothing(
        self, group: list[IncomingFile], draft: Import, actor: Actor, media: Path
    ) -> None:
        first = files.receive(draft, group, actor)
        before = stored_files(media), list(Image.objects.values()), actions()
        again = files.receive(draft, group, actor)
        assert again == [Received(one.image, new=False) for one in first]
        assert (stored_files(media), list(Image.objects.values()), actions()) == before

    def test_group_takes_no_more_queries_than_one_file(self, draft: Import, actor: Actor) -> None:
        counts = []
        for seeds in (range(1), range(1, 11)):
            group = [incoming(f"{seed}.jpg", draw(seed)) for seed in seeds]
            with CaptureQueriesContext(connection) as queries:
                files.receive(draft, group, actor)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_files_are_cut_into_groups_by_number_and_by_bytes(self) -> None:
        def sizes(*given: int) -> list[list[int]]:
            incoming_files = [incoming("a.jpg", b"", size) for size in given]
            return [[file.size for file in group] for group in files.groups(incoming_files)]

        most = files.GROUP_BYTES
        assert sizes() == []
        assert [len(group) for group in sizes(*[1] * 45)] == [20, 20, 5]
        assert sizes(most, 1) == [[most], [1]]
        assert sizes(most - 1, 1, 1) == [[most - 1, 1], [1]]
        assert sizes(most + 1, most + 1, most) == [[most + 1, most + 1, most]]


def rejected_files() -> dict[str, tuple[bytes, str]]:
    return {
        "empty": (b"", "The file is empty (0 bytes)."),
        "too_large": (b"x" * 10_000_001, "The file is 10.0 MB; the limit is 10 MB."),
        "not_jpeg_or_png": (
            b"%PDF-1.7",
            "The file is a PDF document; only JPEG and PNG are accepted.",
        ),
        "too_few_pixels": (
            draw(size=(199, 240)),
            "The image is 199 × 240 pixels; the minimum is 200 × 200.",
        ),
        "damaged": (
            draw()[:-100],
            "The image is damaged or incomplete: not all of it can be decoded.",
        ),
    }


class TestRejection:
    @pytest.mark.parametrize("code", rejected_files())
    def test_rejected_file_has_a_reason_and_no_stored_file(
        self, code: str, add_file: AddFile, draft: Import, media: Path
    ) -> None:
        data, sentence = rejected_files()[code]
        received = add_file("some name.jpg", data)
        image = Image.objects.get()
        assert received == Received(image, new=True)
        assert (image.state, image.reason) == (Image.State.LEFT_OUT, code)
        assert image.explanation == sentence
        assert image.original_name == "some name.jpg"
        assert image.byte_size == len(data)
        was_read = code not in ("empty", "too_large")
        assert image.sha256 == (sha256(data).hexdigest() if was_read else "")
        assert (image.face_import, image.storage_key) == (draft, "")
        assert stored_files(media) == {}

    def test_size_alone_rejects_a_file_that_is_too_large(
        self, draft: Import, actor: Actor, media: Path
    ) -> None:
        receive_one(draft, incoming("film.jpg", b"", 4_000_000_000), actor)
        image = Image.objects.get()
        assert (image.reason, image.byte_size, image.sha256) == ("too_large", 4_000_000_000, "")
        assert image.explanation == "The file is 4000.0 MB; the limit is 10 MB."

    def test_rejected_files_of_one_name_have_a_row_each(self, add_file: AddFile) -> None:
        add_file("a.jpg", b"one")
        add_file("a.jpg", b"two")
        assert Image.objects.count() == 2

    def test_rejected_file_leaves_accepted_images_alone(
        self, add_file: AddFile, media: Path
    ) -> None:
        good = add_file("good.jpg").image
        add_file("bad.jpg", b"bad")
        good.refresh_from_db()
        assert good.state == Image.State.ACCEPTED
        assert set(stored_files(media)) == keys_of(good)


NAMES = [  # from bad/made/filenames.json of the corpus
    "../../etc/passwd.jpg",
    "..\\..\\windows\\win.ini.jpg",
    "/etc/passwd.jpg",
    "C:evil.jpg",
    ".",
    "..",
    " ",
    ".htaccess",
    "a.php.jpg",
    "a%00.jpg",
    "a\r\nX: 1.jpg",
    "\u202egpj.exe",
    "con.jpg",
    'a"b.jpg',
    "a'b.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "{{7*7}}.jpg",
    "=cmd|'/c calc'!A1.jpg",
    "-rf.jpg",
    "$(touch x).jpg",
    "x" * 300 + ".jpg",
    "Zu\u0308rich.jpg",
    "Z\u00fcrich.jpg",
    "\u4f60\u597d.jpg",
    "a.jpg::$DATA",
    "noextension",
]


class TestNames:
    def test_file_name_is_kept_and_never_used_as_a_path(
        self, draft: Import, actor: Actor, media: Path, tmp_path: Path
    ) -> None:
        accepted = [incoming(name, draw(seed)) for seed, name in enumerate(NAMES)]
        rejected = [incoming(name, b"not a picture") for name in NAMES]
        before = stored_files(tmp_path)
        received = files.receive(draft, accepted + rejected, actor)
        images = [Image.objects.get(pk=one.image.pk) for one in received]
        stored, others = images[: len(NAMES)], images[len(NAMES) :]
        assert [image.original_name for image in images] == NAMES * 2
        assert all(image.storage_key == "" for image in others)
        new = set(stored_files(tmp_path)) - set(before)
        assert new == {f"media/{key}" for key in keys_of(*stored)}

    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("", "(no name)"),
            ("a.jpg\x00.php", "a.jpg\ufffd.php"),
            ("lone\ud800.jpg", "lone?.jpg"),
            ("x" * 10_000, "x" * 4_096),
            ("é" * 5_000, "é" * 4_096),
        ],
        ids=["empty", "NUL", "lone surrogate", "10,000 letters", "10,000 bytes"],
    )
    def test_name_that_no_database_can_hold_is_cleaned(
        self, typed: str, kept: str, add_file: AddFile, media: Path
    ) -> None:
        received = add_file(typed)
        assert Image.objects.get().original_name == kept
        assert add_file(typed) == Received(received.image, new=False)
        assert set(stored_files(media)) == keys_of(received.image)

    def test_two_spellings_of_a_name_are_two_names(self, add_file: AddFile) -> None:
        add_file("Zu\u0308rich.jpg")
        assert add_file("Z\u00fcrich.jpg").image.reason == "duplicate"
