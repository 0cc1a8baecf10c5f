"""Shared fixtures: people, lists, drafts, Local Persona, a browser."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from importers.audit.actors import Actor
from importers.consent import seal
from importers.intake import drafts, files
from importers.intake.files import Received
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Environment, FaceList, Import, Person, Role
from tests.support.attestations import submit
from tests.support.batches import Meanwhile
from tests.support.browser import chromium
from tests.support.files import incoming, receive_one
from tests.support.forwarding import Clock
from tests.support.makers import AddFile, MakeDraft, MakeImports
from tests.support.people import PASSWORD, make_person
from tests.support.pictures import draw
from tests.support.postgresql import postgresql_url
from tests.support.trail import write_five_rows

__all__ = ["postgresql_url"]


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    """Give each test its own folder of images, empty caches and a fast password hasher."""
    folder = tmp_path / "media"
    backend = {"BACKEND": "importers.storage.DurableFileStorage"}
    settings.STORAGES = settings.STORAGES | {
        "default": backend | {"OPTIONS": {"location": str(folder)}}
    }
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    seal.kept_lines.cache_clear()
    settings.WHITENOISE_AUTOREFRESH = True  # it would list all static files for each client
    settings.MFA_TOTP_TOLERANCE = 1  # the next step may begin between a code and its check
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return folder


@pytest.fixture
def persona(settings: Settings) -> Iterator[LocalPersona]:
    """Local Persona over real HTTP, without delay; the settings point to it."""
    with LocalPersona(delay=0) as server:
        settings.PERSONA_BASE_URL = server.url
        settings.PERSONA_IS_LOCAL = True
        yield server


@pytest.fixture
def meanwhile() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
def interrupted(settings: Settings, meanwhile: Meanwhile) -> Iterator[LocalPersona]:
    """Local Persona that runs `meanwhile` between a request and its late answer."""
    with LocalPersona(delay=0, pause=meanwhile) as server:
        settings.PERSONA_BASE_URL = server.url
        settings.PERSONA_IS_LOCAL = True
        yield server


@pytest.fixture
def interrupted_list(interrupted: LocalPersona, face_list: FaceList) -> FaceList:
    """A list that `interrupted` knows."""
    face_list.persona_id = interrupted.add_list("Known fraud")
    face_list.save()
    return face_list


@pytest.fixture
def officer(db: None) -> Person:
    return make_person("officer", Role.OFFICER, first_name="Maya", last_name="Okafor")


@pytest.fixture
def actor(officer: Person) -> Actor:
    return Actor.of_user(officer, address="192.0.2.7", sign_in_method="password")


@pytest.fixture
def chain(actor: Actor, face_list: FaceList) -> list[AuditEvent]:
    """An audit trail of five rows."""
    return write_five_rows(actor, face_list)


@pytest.fixture
def signed_in(client: Client, officer: Person) -> Client:
    """A client signed in by the form, because the audit trail needs an address.

    `force_login` has none.
    """
    client.post("/account/login/", {"login": officer.username, "password": PASSWORD})
    return client


@pytest.fixture
def face_list(db: None) -> FaceList:
    """A list that Persona does not know; compare `known_list`."""
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
def make_draft(actor: Actor) -> MakeDraft:
    """Make a draft for a list with the given number of images."""

    def make(to: FaceList, images: int = 3, *, first_seed: int = 0) -> Import:
        draft = drafts.open_draft(to, actor)
        seeds = range(first_seed, first_seed + images)
        files.receive(draft, [incoming(f"face-{seed}.jpg", draw(seed)) for seed in seeds], actor)
        return draft

    return make


@pytest.fixture
def make_imports(officer: Person, face_list: FaceList) -> MakeImports:
    """Make the given number of imports without images; `values` are set on each."""

    def make(count: int, **values: Any) -> list[Import]:
        values = {"face_list": face_list, "created_by": officer} | values
        return Import.objects.bulk_create(Import(**values) for _ in range(count))

    return make


@pytest.fixture
def make_import(make_draft: MakeDraft, actor: Actor) -> MakeDraft:
    """Make an import that is signed and ready to be sent; arguments as for `make_draft`."""

    def make(to: FaceList, images: int = 3, *, first_seed: int = 0) -> Import:
        return submit(make_draft(to, images, first_seed=first_seed), actor)

    return make


@pytest.fixture
def draft(face_list: FaceList, actor: Actor) -> Import:
    """An empty draft."""
    return drafts.open_draft(face_list, actor)


@pytest.fixture
def add_file(draft: Import, actor: Actor) -> AddFile:
    """Add one file to the draft."""

    def add_file(name: str = "face.jpg", data: bytes | None = None) -> Received:
        data = draw() if data is None else data
        return receive_one(draft, incoming(name, data), actor)

    return add_file


@pytest.fixture
def sent(make_draft: MakeDraft, known_list: FaceList, actor: Actor, settings: Settings) -> Import:
    """A submitted import: three batches of one image each, waiting to be sent."""
    settings.BATCH_MAX_IMAGES = 1
    return submit(make_draft(known_list), actor)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Playwright runs an event loop in this thread, which Django would mistake for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(live_server: LiveServer, signed_in: Client, browser: Browser) -> Iterator[Page]:
    """A page of a signed-in person; the test fails on any error of a script or the CSP."""
    browser_errors: list[str] = []
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    session = signed_in.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page = context.new_page()
    page.on("pageerror", lambda error: browser_errors.append(str(error)))
    page.on("console", lambda message: _record_error(message, browser_errors))
    yield page
    context.close()
    assert browser_errors == []


def _record_error(message: ConsoleMessage, browser_errors: list[str]) -> None:
    """Record an error, unless it is a 4xx response that the page itself explains."""
    if message.type == "error" and not message.text.startswith("Failed to load resource"):
        browser_errors.append(message.text)
