"""Searching in a headless Chromium: a dropped picture is hashed there, and never sent."""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect
from pytest_django.live_server_helper import LiveServer

from importers.audit.actors import Actor
from importers.models import FaceList, Import, Person
from tests.support.attestations import submit
from tests.support.browser import check, drop
from tests.support.makers import MakeDraft
from tests.support.people import sign_in
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db(transaction=True)
TOO_LARGE = 101 * 1024 * 1024


@pytest.fixture
def signed(make_draft: MakeDraft, known_list: FaceList, actor: Actor) -> Import:
    """A signed import of face-0.jpg to face-2.jpg."""
    return submit(make_draft(known_list), actor)


def outcome(page: Page) -> Locator:
    """What the page says about the picture that was dropped."""
    return page.locator("#picture [role=status]")


def test_dropped_picture_leads_to_its_record_in_three_actions(
    page: Page, signed: Import, tmp_path: Path
) -> None:
    picture = tmp_path / "renamed since.jpg"
    picture.write_bytes(draw(1))
    sha256 = hashlib.sha256(draw(1)).hexdigest()
    posted: list[Request] = []
    page.on("request", lambda asked: posted.append(asked) if asked.method == "POST" else None)
    page.goto("/")

    page.get_by_role("link", name="Search").click()
    drop(page, picture)
    expect(page.locator("#answer")).to_contain_text(f"Searched for {sha256} (SHA-256)")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        check(page, "Search")
    image = signed.files.get(original_name="face-1.jpg")
    expect(page.get_by_role("link", name=f"Import {signed.pk}")).to_be_visible()
    record = page.get_by_role("link", name="face-1.jpg")
    expect(record).to_have_attribute("href", f"/images/{image.key}/record/")

    (search,) = posted
    assert search.url.endswith("/search/")
    assert parse_qs(search.post_data or "")["text"] == [sha256]


def test_text_on_the_imports_page_leads_to_its_import_in_three_actions(
    page: Page, signed: Import
) -> None:
    page.goto("/")
    page.get_by_label("Search for a file").fill("FR-2026-014")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/#answer")  # the page before shows the same link
    page.get_by_role("link", name=f"Import {signed.pk}").click()
    expect(page.get_by_role("heading", name="Attestation", exact=True)).to_be_visible()


def test_what_is_not_one_picture_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    page.goto("/search/")
    one, empty, large = (tmp_path / name for name in ("one.jpg", "empty.jpg", "large.jpg"))
    one.write_bytes(draw(1))
    empty.touch()
    large.touch()
    os.truncate(large, TOO_LARGE)
    drop(page, tmp_path)
    expect(outcome(page)).to_have_text("This is a folder. Drop one picture.")
    drop(page, one, empty)
    expect(outcome(page)).to_have_text("Drop one picture at a time.")
    drop(page, empty)
    expect(outcome(page)).to_contain_text("This file is empty")
    drop(page, large)
    expect(outcome(page)).to_contain_text("This file is larger than 100 MB")
    expect(page.locator("#answer")).to_have_count(0)


def test_browser_that_cannot_hash_says_so(page: Page, tmp_path: Path) -> None:
    page.add_init_script("Object.defineProperty(crypto, 'subtle', {value: undefined})")
    page.goto("/search/")
    expect(outcome(page)).to_contain_text("only on an HTTPS address or on localhost")
    (tmp_path / "one.jpg").write_bytes(draw(1))
    drop(page, tmp_path / "one.jpg")
    expect(page).to_have_url(re.compile("/search/$"))
    expect(page.locator("#answer")).to_have_count(0)


def test_search_works_without_javascript(
    live_server: LiveServer, officer: Person, browser: Browser, signed: Import
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page)
    page.goto("/search/")
    expect(page.locator("#picture")).to_be_hidden()
    page.get_by_label("Search for").fill("face-1.jpg")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="face-1.jpg")).to_be_visible()
    context.close()
