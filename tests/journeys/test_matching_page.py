"""Two batches whose answers were lost together are matched by a person, in the browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from importers.forwarding import recovery
from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.gateway import breaker
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Gateway, Import
from tests.support.batches import OWNER
from tests.support.browser import check
from tests.support.forwarding import every_image_is_there_once, forward, states_of, time_passes

pytestmark = pytest.mark.django_db(transaction=True)
State = Batch.State


@pytest.fixture
def sent(
    persona: LocalPersona,
    known_list: FaceList,
    make_import: Callable[..., Import],
    settings: Settings,
) -> Import:
    """Two ambiguous batches, of which Persona has one."""
    settings.BATCH_MAX_IMAGES = 3
    sent = make_import(known_list, images=6)
    for fault in ("drop_made", "drop_unmade"):
        persona.faults.inject(fault)
        assert send_next(Leases(OWNER))
        sent.batches.filter(state=State.UNKNOWN).update(
            recover_first=True, problem="server_trouble"
        )
        Gateway.objects.update(**breaker.CLOSED)
    time_passes()
    assert recovery.recover()
    assert states_of(sent) == [State.FAILED] * 2
    return sent


def test_person_matches_undoes_and_matches_again(
    page: Page, sent: Import, persona: LocalPersona
) -> None:
    (entry,) = persona.ledger()
    page.goto(f"/imports/{sent.pk}/")
    page.get_by_role("link", name="Choose the Persona import").first.click()
    faces = page.locator(".faces img")
    expect(faces).to_have_count(6)
    for face in faces.all():
        expect(face).not_to_have_js_property("naturalWidth", 0)
    check(page, "Match batches with Persona imports")
    first, second = page.locator("tbody tr").all()
    second.get_by_label(entry.importer_id).check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Confirm the matches")).to_be_visible()
    check(page, "Confirm the matches")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Undo the decision about batch 2").click()
    expect(page.locator(".message, [role=status]").first).to_be_attached()

    first.get_by_label(entry.importer_id).check()
    second.get_by_label("None of them: send again").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("button", name="Undo the decision about batch 2")).to_be_visible()
    forward()
    expect(page.locator("#state .state")).to_have_attribute("data-state", "completed")
    assert states_of(sent) == [State.DONE] * 2
    assert every_image_is_there_once(persona, sent)
