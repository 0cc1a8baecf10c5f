"""What the tests share: people, pictures that they draw themselves, Local Persona, a browser."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection as database
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from importers import intake
from importers.audit import Actor
from importers.intake import Taken
from importers.local_persona import LocalPersona
from importers.models import Environment, FaceList, Import
from tests.support.attestations import submit
from tests.support.forwarding import Clock
from tests.support.people import PASSWORD, sign_in
from tests.support.pictures import draw
from tests.support.postgresql import postgresql_url

__all__ = ["postgresql_url"]

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


@pytest.fixture
def make_import(make_draft: Callable[..., Import], actor: Actor) -> Callable[..., Import]:
    """Makes an import that is attested and ready to be sent; arguments as for `make_draft`."""
    return lambda *args, **kwargs: submit(make_draft(*args, **kwargs), actor)


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


@pytest.fixture
def clock() -> Clock:
    return Clock()


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
