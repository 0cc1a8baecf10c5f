"""An import from draft to result in a headless Chromium, over real HTTP, with Local Persona."""

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from importers.audit.actors import Actor
from importers.intake import drafts
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.browser import attest, drop, open_draft, preview
from tests.support.faces import write_faces
from tests.support.files import incoming, receive_one
from tests.support.forwarding import forward
from tests.support.image_processes import every_place_taken
from tests.support.people import sign_in
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db(transaction=True)
SLOW_MS = 60_000


@pytest.mark.on_both_databases
def test_dropped_folder_is_attested_sent_unchanged_and_counted(
    page: Page, known_list: FaceList, persona: LocalPersona, corpus: Path
) -> None:
    draft = open_draft(page, known_list)
    drop(page, corpus)
    expect(preview(page)).to_contain_text("127 images in 3 batches (50, 49, 28)", timeout=SLOW_MS)
    expect(preview(page)).to_contain_text("1 rejected")
    left_out = page.locator(".rejected li")
    expect(left_out).to_contain_text("MANIFEST.txt")
    expect(left_out).to_contain_text("only JPEG and PNG are accepted")
    attest(page)
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#progress .state").first).to_have_attribute("data-state", "forwarding")

    page.evaluate("window.notReloaded = true")
    forward()

    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "completed")
    expect(page.locator(".counts .successful dd")).to_have_text("127")
    expect(page.locator(".counts .open dd")).to_have_text("0")
    expect(page.locator("#announcement")).to_contain_text("3 of 3 batches finished")
    assert page.evaluate("window.notReloaded")
    expect(page.locator("#progress[hx-get]")).to_have_count(0)
    given = {hashlib.sha256(path.read_bytes()).hexdigest() for path in corpus.glob("*.[jp][pn]g")}
    sent = [file for entry in persona.ledger() for file in entry.files]
    assert {file.sha256 for file in sent} == given
    assert len(sent) == 127
    assert sorted(len(entry.files) for entry in persona.ledger()) == [28, 49, 50]
    assert {entry.list_id for entry in persona.ledger()} == {known_list.persona_id}
    draft.refresh_from_db()
    assert draft.state == Import.State.COMPLETED
    assert draft.attestation.image_count == 127
    page.goto("/")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Completed")
    expect(page.get_by_role("row").nth(1)).to_contain_text("127")


def test_import_works_without_javascript(
    live_server: LiveServer,
    officer: User,
    browser: Browser,
    known_list: FaceList,
    persona: LocalPersona,
    corpus: Path,
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page)
    draft = open_draft(page, known_list)
    page.locator("#files").set_input_files(sorted(corpus.iterdir()))
    page.get_by_role("button", name="Upload the chosen files").click()
    expect(page.get_by_text("127 accepted, 1 rejected.")).to_be_visible(timeout=SLOW_MS)
    expect(preview(page)).to_contain_text("127 images in 3 batches (50, 49, 28)")
    attest(page)
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "forwarding")
    forward()
    page.reload()
    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "completed")
    assert sum(len(entry.files) for entry in persona.ledger()) == 127
    assert draft.files.filter(state=Image.State.LEFT_OUT).get().original_name == "MANIFEST.txt"
    context.close()


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
    expect(preview(page)).to_contain_text("4 images in 1 batch", timeout=SLOW_MS)

    reasons = page.locator(".rejected ul").inner_text()
    for sentence in (
        *("is text", "incomplete", "an SVG drawing", "a web page (HTML)", "is empty (0 bytes)"),
        *("a GIF image", "40.0 MB; the limit is 10 MB", "already in this import"),
    ):
        assert sentence in reasons
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
    expect(preview(page)).to_contain_text("5 images in 1 batch (5)")
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
    expect(preview(page)).to_contain_text("2 images in 1 batch (2)")
    page.get_by_role("button", name="Clear rejected files").click()
    expect(preview(page)).to_contain_text("0 rejected")
    assert set(draft.files.values_list("original_name", flat=True)) == {
        "face-000.jpg",
        "face-002.jpg",
    }


def test_lost_uploads_are_retried_automatically(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 6)
    open_draft(page, known_list)
    lost = iter([True, False, True])
    page.route("**/files/", lambda route: route.abort() if next(lost, False) else route.continue_())
    drop(page, tmp_path / "few")
    expect(preview(page)).to_contain_text("6 images in 1 batch (6)")


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


def test_uploads_wait_while_the_server_is_busy(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 5)
    open_draft(page, known_list)
    with every_place_taken(), page.expect_response(lambda answer: answer.status == 503):
        drop(page, tmp_path / "few")
    expect(preview(page)).to_contain_text("5 images in 1 batch (5)")
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
    expect(lost).to_contain_text("2 uploads failed. Accepted images are saved.")
    expect(lost).to_contain_text("few/face-000.jpg: The server cannot be reached.")
    page.unroute("**/files/")
    lost.get_by_role("button", name="Retry failed uploads").click()
    expect(preview(page)).to_contain_text("2 images in 1 batch (2)")
    expect(lost).to_be_hidden()


def test_draft_cannot_be_sent_while_files_arrive(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 2)
    open_draft(page, known_list)
    send = page.get_by_role("button", name="Attest and send")
    expect(send).to_be_disabled()
    held: list[Route] = []
    released = threading.Event()

    def hold(route: Route) -> None:
        if released.is_set():
            route.continue_()
        else:
            held.append(route)

    page.route("**/files/", hold)
    drop(page, tmp_path / "few")
    expect(page.locator("#send-hint")).to_have_text("Wait until the upload has finished.")
    expect(send).to_be_disabled()
    released.set()
    for route in held:
        route.continue_()
    expect(preview(page)).to_contain_text("2 images")
    expect(send).to_be_enabled()


def test_files_and_answers_survive_a_lost_session(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 9)
    open_draft(page, known_list)
    attest(page)
    page.context.clear_cookies(name="sessionid")
    drop(page, tmp_path / "few")
    expect(page.locator(".upload-failed")).to_contain_text("9 uploads failed.")
    expect(page.locator(".upload-failed")).to_contain_text("You are signed out.")
    with page.context.expect_page() as opened:
        page.locator(".upload-failed").get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value)
    page.get_by_role("button", name="Retry failed uploads").click()
    expect(preview(page)).to_contain_text("9 images")

    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#signed-out")).to_contain_text("your answers are kept")
    sign_in(opened.value)
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "forwarding")


def test_list_on_the_page_is_the_list_that_is_signed(
    page: Page, known_list: FaceList, persona: LocalPersona, actor: Actor
) -> None:
    other = FaceList.objects.create(
        environment="local", persona_id=persona.add_list("Another"), name="Another"
    )
    draft = open_draft(page, known_list)
    receive_one(draft, incoming("face.jpg", draw(1)), actor)
    page.reload()
    attest(page)
    page.get_by_label("Face list", exact=True).select_option(label="Another")
    expect(page.locator("#to-list")).to_have_text("Another")
    page.get_by_role("button", name="Attest and send").click()
    expect(page.get_by_role("heading", name="to Another")).to_be_visible()
    draft.refresh_from_db()
    assert draft.face_list == other
    assert draft.attestation.list_persona_id == other.persona_id


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


def test_polling_keeps_focus_and_scroll_and_stops_at_the_end(
    page: Page, known_list: FaceList, actor: Actor, make_draft: Callable[..., Import]
) -> None:
    sent = submit(make_draft(known_list, 60), actor)
    polls: list[str] = []
    page.on("request", lambda asked: polls.append(asked.url) if "/progress/" in asked.url else None)
    page.set_viewport_size({"width": 1440, "height": 400})
    page.goto(f"/imports/{sent.pk}/")
    summary = page.get_by_text("Attestation details")
    summary.focus()
    page.evaluate("window.scrollTo(0, 150)")
    forward()
    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "completed")
    expect(summary).to_be_focused()
    assert page.evaluate("window.scrollY") == 150
    seen = len(polls)
    page.clock.install()
    page.clock.fast_forward(20_000)
    assert len(polls) == seen


def test_discarding_a_draft_asks_first(
    page: Page, known_list: FaceList, actor: Actor, make_draft: Callable[..., Import]
) -> None:
    draft = make_draft(known_list, 2)
    page.goto(f"/imports/{draft.pk}/")
    page.get_by_role("button", name="Discard draft").click()
    page.get_by_role("button", name="Keep draft").click()
    page.get_by_role("button", name="Discard draft").click()
    page.get_by_role("button", name="Discard and destroy images").click()
    expect(page.locator("#progress")).to_contain_text("This draft was discarded")
    draft.refresh_from_db()
    assert draft.state == Import.State.CANCELED


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_accessible_and_fits_the_window(
    width: int,
    scheme: str,
    page: Page,
    known_list: FaceList,
    actor: Actor,
    make_draft: Callable[..., Import],
) -> None:
    draft = make_draft(known_list, 3)
    sent = submit(make_draft(known_list, 3, first_seed=10), actor)
    Batch.objects.filter(face_import=sent).update(
        state="failed", problem="refused", problem_detail="Persona answered 422: Record invalid"
    )
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in (
        *("/", "/imports/new/", f"/imports/{draft.pk}/", f"/imports/{sent.pk}/", "/lists/"),
        *("/account/password/", "/account/logout/", "/nowhere/"),
    ):
        page.goto(path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
