"""An auditor reads the audit trail on a phone, and asks who saw which faces."""

import pytest
from playwright.sync_api import Page, expect

from importers.access.roles import assign
from importers.audit.actors import Actor
from importers.models import FaceList, Person, Role
from importers.vault import viewing
from tests.support.attestations import submit
from tests.support.browser import check
from tests.support.makers import MakeDraft

pytestmark = pytest.mark.django_db(transaction=True)


def test_auditor_reads_the_trail_and_asks_who_saw_faces(
    page: Page, officer: Person, make_draft: MakeDraft, face_list: FaceList, actor: Actor
) -> None:
    draft = make_draft(face_list, 3)
    viewing.show_gallery(draft, draft.files.all(), actor)
    submit(draft, actor)
    assign(officer, [Role.AUDITOR])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    page.get_by_role("link", name="Audit trail").click()
    check(page, "Audit trail")
    page.get_by_label("Act").select_option(label="Viewed images")
    page.get_by_label("Object").fill(f"import {draft.pk}")
    page.get_by_role("button", name="Filter").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Viewed images")
    expect(rows.get_by_role("link")).to_have_text(f"Import {draft.pk}")
    page.get_by_label("Object").fill("the import")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("There is no such object.")).to_be_visible()
    check(page, "Audit trail")
    page.get_by_role("link", name="Who saw which faces").click()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a person")
    page.get_by_label("Object").fill(f"import {draft.pk}")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="3 faces, seen by 1 person")).to_be_visible()
    check(page, "Who saw which faces")
