"""Uploading files on the page of a draft, in a headless Chromium over real HTTP."""

import re
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from importers.audit.actors import Actor
from importers.intake import drafts
from importers.models import FaceList, Image
from tests.support.browser import drop, open_draft, preview
from tests.support.faces import write_faces
from tests.support.image_processes import every_place_taken
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db(transaction=True)
SLOW_MS = 60_000


def test_bad_files_are_rejected_each_with_its_reason(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    good = draw(1)
    files = {
        "notes.jpg": b"Dear diary, this is no picture. " * 100,
        "cut.jpg": good[: len(good) // 2],
        "drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        * 20,
        "page.jpg": b"<!DOCTYPE html><html><script>alert(1)</script></html>" * 30,
        "nothing.jpg": b"",
        "moving.gif": b"GIF89a" + bytes(2000),
        "huge.jpg": good + bytes(40_000_000),
        "<script>alert(1)<!--.jpg": draw(2),
        "\u202egpj.exe.jpg": draw(3),
        "x" * 240 + ".jpg": draw(4),
        "good.jpg": good,
        "good again.jpg": good,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)

    open_draft(page, known_list)
    drop(page, *(tmp_path / name for name in files))
    expect(preview(page)).to_contain_text("in 1 batch (4)", timeout=SLOW_MS)

    rejected = page.locator(".rejected ul")
    for sentence in (
        *("is text", "incomplete", "an SVG drawing", "a web page (HTML)", "is empty (0 bytes)"),
        *("a GIF image", "40.0 MB; the limit is 10 MB", "already in this import"),
    ):
        expect(rejected).to_contain_text(sentence, timeout=SLOW_MS)
    names = page.locator(".gallery .name").all_inner_texts()
    assert {"<script>alert(1)<!--.jpg", "\\u202egpj.exe.jpg", "x" * 240 + ".jpg"} < set(names)


def test_dropping_the_same_folder_again_changes_nothing(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 5)
    draft = open_draft(page, known_list)
    drop(page, tmp_path / "few")
    expect(preview(page)).to_contain_text("5 images")
    page.reload()
    expect(preview(page)).to_contain_text("in 1 batch (5)")
    drop(page, tmp_path / "few")
    expect(page.locator(".upload-summary")).to_contain_text("5 already in this draft")
    assert draft.files.count() == 5


def test_files_are_chosen_with_the_keyboard_and_removed(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    paths = write_faces(tmp_path / "few", 3)
    (tmp_path / "note.txt").write_text("no picture")
    draft = open_draft(page, known_list)
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Choose files").press("Enter")
    chooser.value.set_files([*paths, tmp_path / "note.txt"])
    expect(preview(page)).to_contain_text("3 images")
    page.get_by_role("button", name="Remove face-001.jpg").click()
    expect(preview(page)).to_contain_text("in 1 batch (2)")
    page.get_by_role("button", name="Clear rejected files").click()
    expect(preview(page)).to_contain_text("0 rejected")
    accepted = draft.files.filter(state=Image.State.ACCEPTED)
    assert set(accepted.values_list("original_name", flat=True)) == {"face-000.jpg", "face-002.jpg"}


def test_lost_uploads_are_retried_automatically(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 6)
    open_draft(page, known_list)
    lost = iter([True, False, True])
    page.route("**/files/", lambda route: route.abort() if next(lost, False) else route.continue_())
    drop(page, tmp_path / "few")
    expect(preview(page)).to_contain_text("in 1 batch (6)")


def test_files_travel_in_groups_until_one_of_them_fails(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    """The server fails whenever it receives one of the files, and only that one stays behind."""
    write_faces(tmp_path / "many", 60)
    draft = open_draft(page, known_list)
    groups: list[int] = []

    def fail_for_one(route: Route) -> None:
        body = route.request.post_data_buffer or b""
        groups.append(body.count(b'name="file"'))
        if b"many/face-030.jpg" in body:
            route.fulfill(status=500, body="<h1>Server error</h1>")
        else:
            route.continue_()

    page.route("**/files/", fail_for_one)
    page.evaluate(
        "() => { window.setTimeout = (call) => queueMicrotask(call); }"
    )  # retry without a pause
    drop(page, tmp_path / "many")
    expect(page.locator(".upload-failed-names li")).to_have_text(
        "many/face-030.jpg: The server cannot be reached.", timeout=SLOW_MS
    )
    expect(preview(page)).to_contain_text("59 images")
    assert draft.files.count() == 59
    assert max(groups) > 1
    assert len(groups) < 59


def test_file_that_vanished_is_named_and_the_others_arrive(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    paths = write_faces(tmp_path / "few", 8)
    open_draft(page, known_list)
    released = threading.Event()
    page.route("**/files/", lambda route: route.continue_() if released.is_set() else route.abort())
    drop(page, tmp_path / "few")
    expect(page.locator(".upload-summary")).to_contain_text("of 8 files")
    paths[5].unlink()
    released.set()
    expect(page.locator(".upload-failed-names li")).to_have_text(
        "few/face-005.jpg: This file cannot be read on your computer."
    )
    expect(preview(page)).to_contain_text("7 images")


def test_images_appear_while_others_still_arrive(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 9)
    open_draft(page, known_list)
    held: list[Route] = []
    passing = iter([True])
    released = threading.Event()

    def hold_after_the_first(route: Route) -> None:
        if released.is_set() or next(passing, False):
            route.continue_()
        else:
            held.append(route)

    page.route("**/files/", hold_after_the_first)
    drop(page, tmp_path / "few")
    expect(page.locator(".gallery li")).to_have_count(1)
    expect(preview(page)).to_contain_text("in 1 batch (1)")
    expect(page.locator(".upload-summary")).to_have_text("1 of 9 files, 1 accepted, 0 rejected")
    released.set()
    for route in held:
        route.continue_()
    expect(page.locator(".gallery li")).to_have_count(9)
    expect(preview(page)).to_contain_text("in 1 batch (9)")


def test_uploads_wait_while_the_server_is_busy(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 5)
    open_draft(page, known_list)
    with every_place_taken(), page.expect_response(lambda answer: answer.status == 503):
        drop(page, tmp_path / "few")
    expect(preview(page)).to_contain_text("in 1 batch (5)")
    expect(page.locator(".upload-summary")).to_have_text("5 of 5 files, 5 accepted, 0 rejected")


def test_failed_uploads_are_named_and_retried_on_request(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 2)
    open_draft(page, known_list)
    page.clock.install()
    page.route("**/files/", lambda route: route.abort())
    drop(page, tmp_path / "few")
    lost = page.locator(".upload-failed")
    for _ in range(30):
        page.clock.run_for(1000)
    expect(lost).to_contain_text("2 files not uploaded. Accepted images are saved.")
    expect(lost).to_contain_text("few/face-000.jpg: The server cannot be reached.")
    page.unroute("**/files/")
    lost.get_by_role("button", name="Upload them").click()
    expect(preview(page)).to_contain_text("in 1 batch (2)")
    expect(lost).to_be_hidden()


def test_draft_cannot_be_reviewed_while_files_arrive(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 2)
    open_draft(page, known_list)
    review = page.get_by_role("button", name="Review and sign").first
    expect(review).to_be_enabled()
    held: list[Route] = []
    released = threading.Event()

    def hold(route: Route) -> None:
        if released.is_set():
            route.continue_()
        else:
            held.append(route)

    page.route("**/files/", hold)
    drop(page, tmp_path / "few")
    expect(page.locator("#review-hint")).to_have_text("Wait until the upload has finished.")
    expect(review).to_be_disabled()
    released.set()
    for route in held:
        route.continue_()
    expect(preview(page)).to_contain_text("2 images")
    expect(review).to_be_enabled()


def test_draft_discarded_during_an_upload_leaves_no_file(
    page: Page, known_list: FaceList, tmp_path: Path, media: Path, actor: Actor
) -> None:
    write_faces(tmp_path / "many", 60)
    draft = open_draft(page, known_list)
    drop(page, tmp_path / "many")
    expect(page.locator(".upload-summary")).to_contain_text(re.compile(r"[1-9]\d* accepted"))
    drafts.discard(draft, actor)
    expect(page.locator("#progress")).to_contain_text("This draft was discarded")
    assert [path for path in media.rglob("*") if path.is_file()] == []
