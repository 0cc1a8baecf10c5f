"""What the tests share: people, pictures that they draw themselves, Local Persona, a browser."""

import io
import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from PIL import Image as Picture
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from importers import consent, intake, pacing
from importers.audit import Actor
from importers.consent import Answers
from importers.forwarding import cut, worker
from importers.intake import Taken
from importers.local_persona import LocalPersona
from importers.models import Batch, Environment, FaceList, Import, PersonaLine
from tests.postgresql import postgresql_url

__all__ = ["postgresql_url"]

CORPUS = Path(project.BASE_DIR).parent / "shared" / "corpus"
PASSWORD = "correct horse battery staple"
ANSWERS = Answers(
    lawful_basis="consent",
    jurisdictions=["us-il"],
    purpose="To recognise people confirmed as fraudsters, for three years.",
    consent_from=date(2026, 1, 5),
    consent_to=date(2026, 3, 31),
    notice_version="4.2",
    image_source="customer_upload",
    adults_only=True,
    evidence_reference="FR-2026-014",
    typed_name="Maya Okafor",
)
CHROMIUM_SWITCHES = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what works on rows is run again: no page, no browser."""
    if database.vendor == "sqlite":
        return
    again = [item for item in items if works_on_rows(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in again])
    items[:] = again


def works_on_rows(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", []))
    has_rows = item.get_closest_marker("django_db") or fixtures & {"db", "transactional_db"}
    return bool(has_rows) and not fixtures & {"client", "browser", "postgresql_url"}


def draw(seed: int = 0, *, size: tuple[int, int] = (240, 240), kind: str = "JPEG") -> bytes:
    """A picture of coloured noise: another seed gives other bytes."""
    small = Picture.frombytes("RGB", (30, 30), random.Random(seed).randbytes(30 * 30 * 3))  # noqa: S311
    out = io.BytesIO()
    small.resize(size).save(out, kind)
    return out.getvalue()


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    """A test's images lie in a folder of its own, and refused sign-ins do not add up."""
    folder = tmp_path / "media"
    backend = {"BACKEND": "importers.storage.DurableFileStorage"}
    settings.STORAGES = settings.STORAGES | {
        "default": backend | {"OPTIONS": {"location": str(folder)}}
    }
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return folder


@pytest.fixture
def persona(settings: Settings) -> Iterator[LocalPersona]:
    """Local Persona, over real HTTP, that answers at once and to which the settings lead."""
    with LocalPersona(delay=0) as server:
        settings.PERSONA_BASE_URL = server.url
        settings.PERSONA_IS_LOCAL = True
        yield server


@pytest.fixture
def officer(db: None) -> User:
    return User.objects.create_user(
        "officer", password=PASSWORD, first_name="Maya", last_name="Okafor"
    )


@pytest.fixture
def actor(officer: User) -> Actor:
    return Actor.of_user(officer, address="192.0.2.7", sign_in_method="password")


@pytest.fixture
def signed_in(client: Client, officer: User) -> Client:
    """Signed in by the form: `force_login` comes from no address, which the audit trail needs."""
    client.post("/account/login/", {"login": officer.username, "password": PASSWORD})
    return client


@pytest.fixture
def face_list(db: None) -> FaceList:
    """A list that Persona does not know: see `known_list`."""
    return FaceList.objects.create(
        environment=Environment.LOCAL, persona_id="lst_unknown", name="Confirmed fraud"
    )


@pytest.fixture
def known_list(db: None, persona: LocalPersona) -> FaceList:
    return FaceList.objects.create(
        environment=Environment.LOCAL,
        persona_id=persona.add_list("Known fraud"),
        name="Known fraud",
    )


@pytest.fixture
def make_draft(actor: Actor) -> Callable[..., Import]:
    """A draft for a list, holding as many pictures as asked for."""

    def make(to: FaceList, images: int = 3, *, first_seed: int = 0) -> Import:
        draft = intake.open_draft(to, actor)
        for seed in range(first_seed, first_seed + images):
            data = draw(seed)
            intake.take(draft, f"face-{seed}.jpg", data, len(data), actor)
        return draft

    return make


def environment_beside(persona: LocalPersona, media: Path) -> dict[str, str]:
    """For a process beside the test: the same database, images and Persona."""
    name = str(database.settings_dict["NAME"])
    own = f"sqlite:///{name}"
    if database.vendor != "sqlite":
        own = urlsplit(os.environ["DATABASE_URL"])._replace(path=name).geturl()
    return os.environ | {
        "DEBUG": "True",
        "DATABASE_URL": own,
        "MEDIA_STORAGE": f"file:{media}",
        "PERSONA_BASE_URL": persona.url,
        "PERSONA_API_KEY": persona.key,
    }


@pytest.fixture
def draft(face_list: FaceList, actor: Actor) -> Import:
    """An empty one."""
    return intake.open_draft(face_list, actor)


@pytest.fixture
def give(draft: Import, actor: Actor) -> Callable[..., Taken]:
    """Gives one file to the draft."""

    def give(name: str = "face.jpg", data: bytes | None = None) -> Taken:
        data = draw() if data is None else data
        return intake.take(draft, name, data, len(data), actor)

    return give


@pytest.fixture
def sent(
    make_draft: Callable[..., Import], known_list: FaceList, actor: Actor, settings: Settings
) -> Import:
    """Three batches of one image each, which wait to be sent."""
    settings.BATCH_MAX_IMAGES = 1
    return submit(make_draft(known_list), actor)


class Clock:
    """Persona's clock, which may go another way than ours."""

    ahead = timedelta()

    def __init__(self) -> None:
        self._machine = time.time  # a test may have ours jump

    def __call__(self) -> float:
        return self._machine() + self.ahead.total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def states_of(sent: Import) -> list[str]:
    return list(sent.batches.order_by("number").values_list("state", flat=True))


def every_image_is_there_once(persona: LocalPersona, sent: Import) -> bool:
    arrived = [file.sha256 for entry in persona.ledger() for file in entry.files]
    return sorted(arrived) == sorted(sent.files.values_list("sha256", flat=True))


def submit(draft: Import, actor: Actor, answers: Answers = ANSWERS) -> Import:
    """Signs and sends a draft as it is now."""
    cut.submit(draft, answers, actor, consent.as_it_is(draft))
    draft.refresh_from_db()
    return draft


def time_passes() -> None:
    """Every wait is over: of batches, of held lists, of polling, of the line and of its limit."""
    Batch.objects.update(next_attempt_at=Now())
    FaceList.objects.update(held_until=None)
    waits = dict.fromkeys(("paused_until", "resets_at", "next_poll_at"))
    PersonaLine.objects.update(recent={}, **waits)


def share_is_used(requests: int, seconds_ago: int = 0) -> None:
    """So many requests of our share were taken just now, or so long ago."""
    PersonaLine.objects.update(recent={tick(seconds_ago): requests} if requests else {})


def tick(seconds_ago: int) -> int:
    return int(time.time() * pacing.TICKS) - seconds_ago * pacing.TICKS


def forward(rounds: int = 100) -> None:
    """Does the worker's work, without its pauses, until there is nothing left to do."""
    for _ in range(rounds):
        Batch.objects.update(next_attempt_at=Now())
        PersonaLine.objects.update(next_poll_at=None)
        if not worker.step("the test's worker"):
            return


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    # Playwright runs an event loop in this thread, which Django would take for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def page(live_server: LiveServer, officer: User, browser: Browser) -> Iterator[Page]:
    """A page of someone signed in; the test fails if a script or the CSP complained."""
    complaints: list[str] = []
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: _note(said, complaints))
    sign_in(page)
    yield page
    context.close()
    assert complaints == []


def _note(said: Any, complaints: list[str]) -> None:
    """An answer of 4xx that the page itself explains is no complaint."""
    if said.type == "error" and not said.text.startswith("Failed to load resource"):
        complaints.append(said.text)


def sign_in(page: Page, username: str = "officer") -> None:
    page.goto("/account/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("/")
