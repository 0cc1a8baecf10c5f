"""A headless Chromium, and a person's steps on the page of a draft."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Response, expect, sync_playwright

from importers.forms.consent import AttestationForm
from importers.forms.entries import DefaultEntryForm
from importers.models import FaceList, Import
from importers.models.consent import Jurisdiction
from tests.support.attestations import typed
from tests.support.people import PASSWORD

LABELS = {
    name: str(field.label)
    for form in (AttestationForm(), DefaultEntryForm())
    for name, field in form.fields.items()
}
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


def check(page: Page, heading: str) -> None:
    """Check that the page with this main heading is accessible and no wider than the window.

    Waits for that page, because a click on a link returns before the next page is there.
    """
    expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
    page.wait_for_load_state()  # with its styles
    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def open_draft(page: Page, face_list: FaceList) -> Import:
    page.goto("/imports/new/")
    page.get_by_label("Face list").select_option(label=str(face_list))
    page.get_by_role("button", name="Continue to the images").click()
    expect(page.get_by_role("heading", name="Basis and reason")).to_be_visible()
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


def answer(page: Page, basis: str = "consent") -> None:
    """Fill in the third step of a draft."""
    form, answers = page.locator("#answers"), typed(basis)
    _choose_basis(form, answers.pop("lawful_basis"), answers.pop("jurisdictions"))
    form.get_by_label(LABELS["adults_only"]).check()
    for name in answers.keys() & LABELS.keys() - {"adults_only"}:
        field = form.get_by_label(LABELS[name])
        if field.evaluate("field => field instanceof HTMLSelectElement"):
            field.select_option(answers[name])
        else:
            field.fill(answers[name])


def sign(page: Page, then: str = "Attest and send") -> None:
    """Sign on the review page: confirm each warning, and attest."""
    expect(page.get_by_role("heading", name="Review and sign")).to_be_visible()
    warnings = page.get_by_role("group", name="Warnings to confirm")
    for box in warnings.get_by_role("checkbox").all():
        box.check()
    page.get_by_label("I attest to the statement above").check()
    page.get_by_label("Your full name").fill("Maya Okafor")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name=then).click()


def review(page: Page) -> None:
    """Go on from a draft to its review."""
    page.get_by_role("button", name="Review and sign").first.click()


def attest(page: Page, basis: str = "consent") -> None:
    """Go from the page of a draft to that of the signed import."""
    answer(page, basis)
    review(page)
    sign(page)


def _choose_basis(form: Locator, basis: str, jurisdictions: list[str]) -> None:
    """Choose what decides about the other questions, and wait until they are asked."""
    places = [form.get_by_label(Jurisdiction(one).label, exact=True) for one in jurisdictions]
    save = form.get_by_role("button", name="Save the answers")
    has_script = save.is_hidden()
    acts: list[Callable[[], object]] = [place.check for place in places]
    acts.insert(0, partial(form.get_by_label(LABELS["lawful_basis"]).select_option, basis))
    for act in acts:
        with form.page.expect_response(_is_questions) if has_script else nullcontext():
            act()
    if not has_script:
        save.click()
    expect(form.get_by_role("heading", name="Statement, version")).to_be_visible()
    expect(form.get_by_text("Suggested:")).to_be_visible()


def _is_questions(answer: Response) -> bool:
    return answer.request.headers.get("hx-target") == "questions"
