"""The images of a draft in a browser: entries from a CSV, selection, undo, lightbox, keyboard."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from importers.models import FaceList, Image, Import
from tests.support.browser import check, drop, open_draft, preview
from tests.support.faces import write_faces

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def draft(page: Page, known_list: FaceList, tmp_path: Path) -> Import:
    """A draft with a dropped folder: face-000.jpg to face-005.jpg, and a CSV for two of them."""
    write_faces(tmp_path / "few", 6)
    rows = (
        "file;case_reference;reason\nface-001.jpg;FR-1;confirmed_fraud\nnobody.jpg;FR-2;enrolled\n"
    )
    (tmp_path / "few" / "entries.csv").write_text(rows)
    draft = open_draft(page, known_list)
    drop(page, tmp_path / "few")
    expect(preview(page)).to_contain_text("6 images")
    return draft


def accepted(draft: Import) -> list[str]:
    rows = draft.files.filter(state=Image.State.ACCEPTED).order_by("sort_name")
    return [row.base_name for row in rows]


def test_csv_dropped_among_the_images_is_compared_and_then_applied(
    page: Page, draft: Import
) -> None:
    kept = page.locator("#entry-file")
    expect(kept).to_contain_text("1 row matches an image")
    expect(kept).to_contain_text("Line 3: nobody.jpg")
    expect(page.locator(".upload-summary")).to_contain_text("6 of 6 files")
    check(page, str(draft))
    kept.get_by_role("button", name="Apply to 1 image").click()
    expect(kept).to_have_count(0)
    expect(page.locator(".gallery .entry")).to_contain_text("FR-1")
    assert draft.files.get(case_reference="FR-1").base_name == "face-001.jpg"


def test_selection_is_removed_and_the_removal_is_undone(page: Page, draft: Import) -> None:
    page.get_by_label("Select face-001.jpg").check()
    page.get_by_label("Select face-003.jpg").click(modifiers=["Shift"])
    expect(page.locator("#selected")).to_have_text("3 selected")
    page.get_by_role("button", name="Remove selected").click()
    expect(page.locator("#acts")).to_contain_text("3 images removed.")
    expect(preview(page)).to_contain_text("3 images")
    assert accepted(draft) == ["face-000.jpg", "face-004.jpg", "face-005.jpg"]
    page.get_by_role("button", name="Undo").click()
    expect(preview(page)).to_contain_text("6 images")


def test_filter_keeps_the_focus_while_typing(page: Page, draft: Import) -> None:
    page.get_by_label("Filter images by name").press_sequentially("face-00")
    expect(page.locator(".gallery li")).to_have_count(6)
    page.keyboard.type("3")
    expect(page.locator(".gallery li")).to_have_count(1)
    expect(page.get_by_label("Filter images by name")).to_be_focused()
    expect(page.get_by_label("Filter images by name")).to_have_value("face-003")
    assert "face" not in page.url


def test_keyboard_gets_past_the_images_in_one_step(page: Page, draft: Import) -> None:
    page.get_by_role("link", name="Skip the images").press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Lawful basis")).to_be_focused()


def test_faces_are_reviewed_with_the_keyboard(page: Page, draft: Import) -> None:
    box = page.locator("#lightbox")
    page.locator("a[data-face]").nth(1).focus()
    page.keyboard.press("Enter")
    expect(box).to_contain_text("face-001.jpg")
    expect(box).to_contain_text("2 of 6")
    page.keyboard.press("ArrowRight")
    expect(box).to_contain_text("face-002.jpg")
    page.keyboard.press("Delete")
    expect(box).to_contain_text("face-003.jpg")
    expect(box).to_contain_text("3 of 5")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(page.locator("a[data-face]").nth(2)).to_be_focused()
    assert "face-002.jpg" not in accepted(draft)


def expect_faces(page: Page, count: int) -> None:
    faces = page.locator(".gallery img")
    expect(faces).to_have_count(count)
    for face in faces.all():
        expect(face).not_to_have_js_property("naturalWidth", 0)


def test_thumbnails_of_a_page_come_together_and_only_once(page: Page, draft: Import) -> None:
    expect_faces(page, 6)  # the page on which they were dropped has asked for them
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.reload()
    expect_faces(page, 6)
    page.get_by_role("button", name="Remove face-000.jpg").click()
    expect_faces(page, 5)
    for_faces = [path for path in asked if path.endswith(("thumbnail/", "thumbnails/"))]
    assert for_faces == [f"/imports/{draft.pk}/thumbnails/"]


def test_thumbnails_that_cannot_be_read_are_asked_for_again(page: Page, draft: Import) -> None:
    page.route("**/thumbnails/*", lambda route: route.fulfill(status=503))
    page.reload()
    expect(page.locator(".gallery").get_by_text("Cannot be loaded")).to_have_count(6)
    page.unroute("**/thumbnails/*")
    page.get_by_role("button", name="Remove face-000.jpg").click()
    expect_faces(page, 5)


def test_upload_pauses_while_the_server_is_away_and_resumes(
    page: Page, known_list: FaceList, tmp_path: Path
) -> None:
    write_faces(tmp_path / "few", 12)
    open_draft(page, known_list)
    sent: list[Route] = []

    def lose(route: Route) -> None:
        sent.append(route)
        route.abort()

    page.clock.install()
    page.route("**/files/", lose)
    page.route("**/healthz", lambda route: route.abort())
    drop(page, tmp_path / "few")
    state = page.locator("label[for=uploaded]")
    expect(state).to_have_text("Connection lost. The upload resumes automatically")
    tried = len(sent)
    page.clock.run_for(60_000)
    assert len(sent) == tried, "nothing is sent while the server is away"
    page.unroute("**/files/")
    page.unroute("**/healthz")
    page.clock.run_for(3_000)
    expect(preview(page)).to_contain_text("12 images")


def test_upload_is_stopped_and_continued(page: Page, known_list: FaceList, tmp_path: Path) -> None:
    write_faces(tmp_path / "few", 12)
    draft = open_draft(page, known_list)
    held: list[Route] = []
    page.route("**/files/", lambda route: held.append(route))
    drop(page, tmp_path / "few")
    expect(page.locator(".upload-progress")).to_contain_text("0 of 12 files")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".upload-failed")).to_contain_text("You stopped the upload.")
    for route in held:
        route.continue_()
    expect(page.locator("label[for=uploaded]")).to_have_text("Stopped")
    page.unroute("**/files/")
    page.get_by_role("button", name="Upload them").click()
    expect(preview(page)).to_contain_text("12 images")
    assert draft.files.count() == 12
