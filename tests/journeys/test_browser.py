"""An import from draft to result in a headless Chromium, over real HTTP, with Local Persona."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from importers.audit.actors import Actor
from importers.consent import bases
from importers.intake import drafts
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Image, Import, Person
from tests.support.attestations import in_force, kept, submit
from tests.support.browser import answer, attest, check, drop, open_draft, preview, review, sign
from tests.support.faces import write_faces
from tests.support.files import incoming, receive_one
from tests.support.forwarding import forward
from tests.support.people import sign_in
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db(transaction=True)
SLOW_MS = 60_000


def test_dropped_folder_is_attested_sent_unchanged_and_counted(
    page: Page, known_list: FaceList, persona: LocalPersona, corpus: Path
) -> None:
    draft = open_draft(page, known_list)
    drop(page, corpus)
    expect(preview(page)).to_contain_text("in 3 batches (50, 49, 28)", timeout=SLOW_MS)
    expect(preview(page)).to_contain_text("1 rejected")
    left_out = page.locator(".rejected li")
    expect(left_out).to_contain_text("MANIFEST.txt")
    expect(left_out).to_contain_text("only JPEG and PNG are accepted")
    attest(page)
    expect(page.locator("#state .state")).to_have_attribute("data-state", "forwarding")

    page.evaluate("window.notReloaded = true")
    forward()

    expect(page.locator("#state .state")).to_have_attribute("data-state", "completed")
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
    assert in_force(draft).image_count == 127
    page.goto("/")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Completed")
    expect(page.get_by_role("row").nth(1)).to_contain_text("127")


def test_import_works_without_javascript(
    live_server: LiveServer,
    officer: Person,
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
    expect(preview(page)).to_contain_text("in 3 batches (50, 49, 28)")
    face = page.locator(".gallery img:visible").first
    face.scroll_into_view_if_needed()
    expect(face).not_to_have_js_property("naturalWidth", 0)
    attest(page, "fraud_exemption")
    expect(page.locator("#state .state")).to_have_attribute("data-state", "forwarding")
    forward()
    page.reload()
    expect(page.locator("#state .state")).to_have_attribute("data-state", "completed")
    assert sum(len(entry.files) for entry in persona.ledger()) == 127
    assert draft.files.filter(state=Image.State.LEFT_OUT).get().original_name == "MANIFEST.txt"
    assert in_force(draft).warnings == bases.cautions("fraud_exemption", ["us-tx"])
    context.close()


def test_files_and_answers_survive_a_lost_session(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 9)
    open_draft(page, known_list)
    answer(page)
    page.context.clear_cookies(name="sessionid")
    drop(page, tmp_path / "few")
    expect(page.locator(".upload-failed")).to_contain_text("9 files not uploaded.")
    expect(page.locator(".upload-failed")).to_contain_text("You are signed out.")
    with page.context.expect_page() as opened:
        page.locator(".upload-failed").get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value)
    page.get_by_role("button", name="Upload them").click()
    expect(preview(page)).to_contain_text("9 images")

    page.context.clear_cookies(name="sessionid")
    review(page)
    expect(page.locator("#connection")).to_contain_text("What you typed is kept")
    sign_in(opened.value)
    review(page)
    sign(page)
    expect(page.locator("#state .state")).to_have_attribute("data-state", "forwarding")


def test_list_on_the_page_is_the_list_that_is_signed(
    page: Page, known_list: FaceList, persona: LocalPersona, actor: Actor
) -> None:
    other = FaceList.objects.create(
        environment="local", persona_id=persona.add_list("Another"), name="Another"
    )
    draft = open_draft(page, known_list)
    receive_one(draft, incoming("face.jpg", draw(1)), actor)
    page.reload()
    answer(page)
    page.get_by_label("Face list", exact=True).select_option(label="Another")
    expect(page.locator("#to-list")).to_have_text("Another")
    review(page)
    sign(page)
    expect(page.get_by_role("heading", name="to Another")).to_be_visible()
    draft.refresh_from_db()
    assert draft.face_list == other
    assert in_force(draft).list_persona_id == other.persona_id


def test_polling_refreshes_the_faces_keeps_focus_and_scroll_and_ends(
    page: Page, known_list: FaceList, actor: Actor, make_draft: Callable[..., Import]
) -> None:
    sent = submit(make_draft(known_list, 60), actor)
    polls: list[str] = []
    page.on("request", lambda asked: polls.append(asked.url) if "/progress/" in asked.url else None)
    page.set_viewport_size({"width": 1440, "height": 400})
    page.goto(f"/imports/{sent.pk}/?page=2")
    outcomes = page.locator(".gallery .outcome")
    expect(outcomes).to_contain_text(["Waiting to be sent"] * 12)
    record = page.get_by_role("link", name="Open the record")
    record.focus()
    page.evaluate("window.scrollTo(0, 150)")
    forward()
    expect(page.locator("#state .state")).to_have_attribute("data-state", "completed")
    ended = ["Batch 1 All 50 successful"] * 2 + ["Batch 2 All 10 successful"] * 10
    expect(outcomes).to_have_text(ended)
    expect(record).to_be_focused()
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


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_is_accessible_and_fits_the_window(
    width: int,
    scheme: str,
    page: Page,
    known_list: FaceList,
    actor: Actor,
    make_draft: Callable[..., Import],
) -> None:
    draft = make_draft(known_list, 3)
    drafts.save_answers(draft, kept("fraud_exemption"), actor)
    sent = submit(make_draft(known_list, 3, first_seed=10), actor)
    Batch.objects.filter(face_import=sent).update(
        state="failed", problem="refused", problem_detail="Persona answered 422: Record invalid"
    )
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    face = sent.files.first()
    assert face
    for path, heading in {
        "/": "Imports",
        "/imports/new/": "New import",
        f"/imports/{draft.pk}/": str(draft),
        f"/imports/{draft.pk}/attest/": "Review and sign",
        f"/imports/{sent.pk}/": str(sent),
        f"/imports/{sent.pk}/record/": f"Record of import {sent.pk}",
        f"/images/{face.key}/record/": "Record of",
        "/lists/": "Face lists",
        "/account/password/": "Change password",
        "/account/logout/": "Sign out?",
        "/nowhere/": "Not found",
    }.items():
        page.goto(path)
        check(page, heading)
