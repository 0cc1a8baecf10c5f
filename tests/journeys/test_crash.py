"""The web server and the worker are killed at work. Once restarted, they complete the import."""

import hashlib
import re
import threading
from pathlib import Path

from playwright.sync_api import Browser, expect

from importers.local_persona import IMPORT, LocalPersona
from tests.support.browser import attest, drop, preview
from tests.support.faces import write_faces
from tests.support.people import PASSWORD, sign_in
from tests.support.product import product

IMAGES = 120


def test_import_survives_a_killed_web_server_and_a_killed_worker(
    browser: Browser, tmp_path: Path
) -> None:
    faces = write_faces(tmp_path / "faces", IMAGES)
    answers = threading.Event()
    with (
        LocalPersona(delay=0, pause=answers.wait) as persona,
        product(tmp_path, persona.url, PASSWORD, BATCH_LEASE_SECONDS="5") as installed,
    ):
        list_id = persona.add_list("Known fraud")
        installed.manage("forward", "--once")
        web = installed.start_web()
        page = browser.new_context(base_url=installed.url).new_page()
        sign_in(page)
        page.goto("/lists/")
        page.get_by_role("button", name="Sync lists").click()
        page.get_by_role("row", name=list_id).get_by_role("link", name="New import").click()
        page.get_by_role("button", name="Continue to the images").click()
        expect(page.get_by_role("heading", name="Basis and reason")).to_be_visible()
        page.wait_for_load_state()

        drop(page, tmp_path / "faces")
        expect(page.locator(".upload-summary")).to_contain_text(re.compile(r"[1-9]\d* accepted"))
        installed.kill(web)
        stored = "SELECT count(*) FROM importers_image WHERE state = 'accepted'"
        assert 0 < int(str(installed.rows(stored)[0][0])) < IMAGES
        installed.start_web()
        expect(preview(page)).to_contain_text("in 3 batches (50, 49, 21)", timeout=60_000)

        attest(page)
        expect(page.locator("#progress")).to_be_visible()
        persona.faults.inject("slow", 2, IMPORT, seconds=30)
        worker = installed.start_worker()
        while len(persona.ledger()) < 2:
            expect(page.locator("#progress")).to_be_visible()
        installed.kill(worker)
        sending = "SELECT count(*) FROM importers_batch WHERE state = 'sending'"
        assert installed.rows(sending)[0][0] >= 2
        answers.set()
        installed.manage("forward", "--drain")

        expect(page.locator("#state .state")).to_have_attribute("data-state", "completed")
        expect(page.locator(".counts .successful dd")).to_have_text(str(IMAGES))
        sent = sorted(file.sha256 for entry in persona.ledger() for file in entry.files)
        assert sent == sorted(hashlib.sha256(face.read_bytes()).hexdigest() for face in faces)
        page.context.close()
