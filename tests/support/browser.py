"""A headless Chromium, and a person's steps on the page of a draft."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from importers.models import FaceList, Import

SWITCHES = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    executable = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=SWITCHES)
        yield browser
        browser.close()


def open_draft(page: Page, face_list: FaceList) -> Import:
    page.goto("/imports/new/")
    page.get_by_label("Face list").select_option(label=str(face_list))
    page.get_by_role("button", name="Continue to the images").click()
    expect(page.get_by_role("heading", name="Attestation")).to_be_visible()
    page.wait_for_load_state()  # its scripts are modules, which run last
    return Import.objects.latest("pk")


def drop(page: Page, *paths: Path) -> None:
    """Drop files or folders on the page, as the operating system does."""
    page.wait_for_load_state()  # only then does the script receive the drop
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 700, "y": 120, "data": data}
        session.send("Input.dispatchDragEvent", event)
    session.detach()


def preview(page: Page) -> Locator:
    """The part of the page that shows the images and the requests they will be sent in."""
    return page.locator("#preview")


def attest(page: Page) -> None:
    page.get_by_label("Lawful basis").select_option("consent")
    page.get_by_label("Source of the images").select_option("own_capture")
    page.get_by_label("Illinois (BIPA)").check()
    page.get_by_label("Specific purpose").fill("To recognise confirmed fraudsters, three years.")
    page.get_by_label("Consent given on or from").fill("2026-01-05")
    page.get_by_label("Notice version").fill("4.2")
    page.get_by_label("Evidence location").fill("FR-2026-014")
    page.get_by_label("Every person shown is an adult").check()
    page.get_by_label("I attest to the statement above").check()
    page.get_by_label("Your full name").fill("Maya Okafor")
