"""The main job in a real headless Chromium, over real HTTP, to Local Persona."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from importers import intake
from importers.audit import Actor
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Image, Import
from tests.support.attestations import submit
from tests.support.forwarding import forward
from tests.support.people import sign_in
from tests.support.pictures import CORPUS, draw

pytestmark = pytest.mark.django_db(transaction=True)
SLOW_MS = 60_000


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of 127 photos and a text file: the corpus, or the same drawn where it is not."""
    if (CORPUS / "faces").is_dir():
        return CORPUS / "faces"
    folder = tmp_path_factory.mktemp("drawn") / "faces"
    folder.mkdir()
    for seed in range(127):
        (folder / f"face-{seed:03}.jpg").write_bytes(draw(seed))
    (folder / "MANIFEST.txt").write_text("Not a picture, but a list of them. " * 50)
    return folder


def open_draft(page: Page, face_list: FaceList) -> Import:
    page.goto("/imports/new/")
    page.get_by_label("Face list").select_option(label=str(face_list))
    page.get_by_role("button", name="Continue to the images").click()
    expect(page.get_by_role("heading", name="Attestation")).to_be_visible()
    page.wait_for_load_state()
    return Import.objects.latest("pk")


def drop(page: Page, *paths: Path) -> None:
    """Drops files or folders as the operating system does, somewhere on the page."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 700, "y": 120, "data": data}
        session.send("Input.dispatchDragEvent", event)
    session.detach()


def arrived(page: Page) -> Locator:
    return page.locator("#preview")


def attest(page: Page) -> None:
    page.get_by_label("Lawful basis").select_option("consent")
    page.get_by_label("Where the images come from").select_option("own_capture")
    page.get_by_label("Illinois (BIPA)").check()
    page.get_by_label("Specific purpose").fill("To recognise confirmed fraudsters, three years.")
    page.get_by_label("Consent given on, or from").fill("2026-01-05")
    page.get_by_label("Version of the notice").fill("4.2")
    page.get_by_label("Where the evidence is").fill("FR-2026-014")
    page.get_by_label("Every person shown is an adult").check()
    page.get_by_label("I attest the statement above").check()
    page.get_by_label("Your full name").fill("Maya Okafor")


def test_a_folder_of_faces_dropped_and_attested_reaches_persona_unchanged_and_is_counted(
    page: Page, known_list: FaceList, persona: LocalPersona, faces: Path
) -> None:
    draft = open_draft(page, known_list)
    drop(page, faces)
    expect(arrived(page)).to_contain_text("127 images in 3 batches (50, 50, 27)", timeout=SLOW_MS)
    expect(arrived(page)).to_contain_text("1 rejected")
    left_out = page.locator(".rejected li")
    expect(left_out).to_contain_text("MANIFEST.txt")
    expect(left_out).to_contain_text("only JPEG and PNG are taken")
    attest(page)
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#progress .state").first).to_have_attribute("data-state", "forwarding")

    page.evaluate("window.notReloaded = true")
    forward()

    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "completed")
    expect(page.locator(".counts .successful dd")).to_have_text("127")
    expect(page.locator(".counts .open dd")).to_have_text("0")
    expect(page.locator("#announcement")).to_contain_text("3 of 3 batches ended")
    assert page.evaluate("window.notReloaded")
    expect(page.locator("#progress[hx-get]")).to_have_count(0)
    given = {hashlib.sha256(path.read_bytes()).hexdigest() for path in faces.glob("*.[jp][pn]g")}
    sent = [file for entry in persona.ledger() for file in entry.files]
    assert {file.sha256 for file in sent} == given
    assert len(sent) == 127
    assert sorted(len(entry.files) for entry in persona.ledger()) == [27, 50, 50]
    assert {entry.list_id for entry in persona.ledger()} == {known_list.persona_id}
    draft.refresh_from_db()
    assert draft.state == Import.State.COMPLETED
    assert draft.attestation.image_count == 127
    page.goto("/")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Completed")
    expect(page.get_by_role("row").nth(1)).to_contain_text("127")


def test_without_javascript_the_plain_form_does_the_same(
    live_server: LiveServer,
    officer: User,
    browser: Browser,
    known_list: FaceList,
    persona: LocalPersona,
    faces: Path,
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page)
    draft = open_draft(page, known_list)
    page.locator("#files").set_input_files(sorted(faces.iterdir()))
    page.get_by_role("button", name="Upload the chosen files").click()
    expect(page.get_by_text("127 accepted, 1 left out.")).to_be_visible(timeout=SLOW_MS)
    expect(arrived(page)).to_contain_text("127 images in 3 batches (50, 50, 27)")
    attest(page)
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "forwarding")
    forward()
    page.reload()
    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "completed")
    assert sum(len(entry.files) for entry in persona.ledger()) == 127
    assert draft.files.filter(state=Image.State.LEFT_OUT).get().original_name == "MANIFEST.txt"
    context.close()


def write(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"face-{seed:03}.jpg" for seed in range(count)]
    for seed, path in enumerate(paths):
        path.write_bytes(draw(seed))
    return paths


def test_bad_files_are_left_out_each_with_its_reason_and_the_others_go_on(
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
    expect(arrived(page)).to_contain_text("4 images in 1 batch", timeout=SLOW_MS)

    told = page.locator(".rejected ul").inner_text()
    for sentence in (
        *("is text", "cut short", "an SVG drawing", "a web page (HTML)", "is empty (0 bytes)"),
        *("a GIF image", "40.0 MB; at most 10 MB", "already in this import"),
    ):
        assert sentence in told
    names = page.locator(".gallery .name").all_inner_texts()
    assert {"<script>alert(1)<!--.jpg", "\\u202egpj.exe.jpg", "x" * 240 + ".jpg"} < set(names)


def test_the_same_folder_again_after_a_reload_changes_nothing(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write(tmp_path / "few", 5)
    draft = open_draft(page, known_list)
    drop(page, tmp_path / "few")
    expect(arrived(page)).to_contain_text("5 images")
    page.reload()
    expect(arrived(page)).to_contain_text("5 images in 1 batch (5)")
    drop(page, tmp_path / "few")
    expect(page.locator(".upload-summary")).to_contain_text("5 already in this draft")
    assert draft.files.count() == 5


def test_files_are_chosen_with_the_keyboard_and_removed_one_by_one_or_all_left_out(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    paths = write(tmp_path / "few", 3)
    (tmp_path / "note.txt").write_text("no picture")
    draft = open_draft(page, known_list)
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Choose files").press("Enter")
    chooser.value.set_files([*paths, tmp_path / "note.txt"])
    expect(arrived(page)).to_contain_text("3 images")
    page.get_by_role("button", name="Remove face-001.jpg").click()
    expect(arrived(page)).to_contain_text("2 images in 1 batch (2)")
    page.get_by_role("button", name="Clear rejected files").click()
    expect(arrived(page)).to_contain_text("0 rejected")
    assert set(draft.files.values_list("original_name", flat=True)) == {
        "face-000.jpg",
        "face-002.jpg",
    }


def test_what_the_network_lost_is_tried_again_by_itself(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write(tmp_path / "few", 6)
    open_draft(page, known_list)
    lost = iter([True, False, True])
    page.route("**/files/", lambda route: route.abort() if next(lost, False) else route.continue_())
    drop(page, tmp_path / "few")
    expect(arrived(page)).to_contain_text("6 images in 1 batch (6)")


def test_what_stays_lost_is_named_and_sent_again_at_a_press(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write(tmp_path / "few", 2)
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
    expect(arrived(page)).to_contain_text("2 images in 1 batch (2)")
    expect(lost).to_be_hidden()


def test_nothing_can_be_sent_while_files_are_still_arriving(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write(tmp_path / "few", 2)
    open_draft(page, known_list)
    send = page.get_by_role("button", name="Attest and send")
    expect(send).to_be_disabled()
    held: list[Route] = []
    page.route("**/files/", lambda route: held.append(route))
    drop(page, tmp_path / "few")
    expect(page.locator("#send-hint")).to_have_text("Wait until the upload has finished.")
    expect(send).to_be_disabled()
    for route in held:
        route.continue_()
    expect(arrived(page)).to_contain_text("2 images")
    expect(send).to_be_enabled()


def test_someone_signed_out_meanwhile_signs_in_elsewhere_and_goes_on(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write(tmp_path / "few", 9)
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
    expect(arrived(page)).to_contain_text("9 images")

    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#signed-out")).to_contain_text("your answers are kept")
    sign_in(opened.value)
    page.get_by_role("button", name="Attest and send").click()
    expect(page.locator("#progress h2 .state")).to_have_attribute("data-state", "forwarding")


def test_the_list_on_the_page_is_the_list_that_is_signed(
    page: Page, known_list: FaceList, persona: LocalPersona, actor: Actor
) -> None:
    other = FaceList.objects.create(
        environment="local", persona_id=persona.add_list("Another"), name="Another"
    )
    draft = open_draft(page, known_list)
    intake.take(draft, "face.jpg", draw(1), len(draw(1)), actor)
    page.reload()
    attest(page)
    page.get_by_label("Face list", exact=True).select_option(label="Another")
    expect(page.locator("#to-list")).to_have_text("Another")
    page.get_by_role("button", name="Attest and send").click()
    expect(page.get_by_role("heading", name="to Another")).to_be_visible()
    draft.refresh_from_db()
    assert draft.face_list == other
    assert draft.attestation.list_persona_id == other.persona_id


def test_a_draft_discarded_in_another_tab_while_files_arrive_leaves_no_file(
    page: Page, known_list: FaceList, tmp_path: Path, media: Path, actor: Actor
) -> None:
    write(tmp_path / "many", 60)
    draft = open_draft(page, known_list)
    drop(page, tmp_path / "many")
    expect(page.locator(".upload-summary")).to_contain_text(re.compile(r"[1-9]\d* accepted"))
    intake.discard(draft, actor)
    expect(page.locator("#progress")).to_contain_text("This draft was discarded")
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_a_poll_keeps_the_focus_and_the_scroll_and_ends_by_itself(
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


def test_a_draft_is_discarded_only_after_asking(
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
def test_every_page_is_accessible_and_fits(
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
