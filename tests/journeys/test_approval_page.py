"""Two people: one signs, the other refuses, and approves once it is corrected."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from importers.local_persona import LocalPersona
from importers.models import FaceList, Image, Import
from tests.support.approvals import guard, make_approver
from tests.support.attestations import kept
from tests.support.browser import check, review, sign
from tests.support.forwarding import forward
from tests.support.makers import MakeDraft
from tests.support.people import PASSWORD, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
ASK = "Attest and ask for approval"


@pytest.fixture
def phone(live_server: LiveServer, browser: Browser) -> Iterator[Page]:
    """The telephone of somebody who may approve."""
    make_approver()
    size: ViewportSize = {"width": 390, "height": 844}
    context = browser.new_context(base_url=live_server.url, viewport=size)
    phone = context.new_page()
    sign_in(phone, "approver")
    yield phone
    context.close()


def decide(phone: Page, waiting: Import, decision: str, reason: str = "") -> None:
    phone.goto("/")
    expect(phone.get_by_text("1 import awaits your approval.")).to_be_visible()
    phone.get_by_role("link", name="Show imports that await approval").click()
    phone.get_by_role("link", name=str(waiting), exact=True).click()
    phone.get_by_role("link", name="Approve or refuse").click()
    check(phone, "Approve")
    phone.get_by_label(decision).check()
    phone.get_by_label("Reason for a refusal").fill(reason)
    phone.get_by_label("Your password").fill(PASSWORD)
    phone.get_by_role("button", name="Confirm the decision").click()


def test_refused_import_is_corrected_approved_and_sent(
    page: Page, phone: Page, make_draft: MakeDraft, known_list: FaceList, persona: LocalPersona
) -> None:
    draft = make_draft(guard(known_list), 2)
    Import.objects.update(draft_answers=kept())
    page.goto(f"/imports/{draft.pk}/")
    review(page)
    sign(page, ASK)
    expect(page.locator("#state")).to_have_text("Awaiting approval")

    decide(phone, draft, "Refuse: ", "The second face is too dark.")
    expect(phone.get_by_role("status").first).to_contain_text("Refused.")
    page.reload()
    expect(page.get_by_text("The second face is too dark.")).to_be_visible()
    page.get_by_role("button", name="Remove face-1.jpg").click()
    expect(page.get_by_text("1 image removed.")).to_be_visible()
    forward()
    assert persona.requests() == []

    review(page)
    sign(page, ASK)
    expect(page.locator("#state")).to_have_text("Awaiting approval")
    decide(phone, draft, "Approve: ")
    expect(phone.get_by_role("status").first).to_contain_text("Approved.")
    forward()
    page.reload()
    expect(page.locator("#state")).to_have_text("Completed")
    (sent,) = persona.ledger()
    assert [file.sha256 for file in sent.files] == [
        Image.objects.get(original_name="face-0.jpg").sha256
    ]
