"""The fixtures of the journeys: Local Persona with a clock, the fault matrix's world, a corpus."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.local_persona import LocalPersona
from importers.models import FaceList, Import
from tests.support.attestations import submit
from tests.support.faces import find_or_draw_corpus
from tests.support.fault_matrix import World
from tests.support.forwarding import Clock
from tests.support.nginx import Nginx, nginx
from tests.support.site import Site, site_behind_a_proxy
from tests.support.wire import Wire


@pytest.fixture
def persona(clock: Clock, settings: Settings) -> Iterator[LocalPersona]:
    with LocalPersona(delay=0, clock=clock) as server:
        settings.PERSONA_BASE_URL, settings.PERSONA_API_KEY = server.url, server.key
        settings.PERSONA_IS_LOCAL = True
        yield server


@pytest.fixture
def wire(persona: LocalPersona, settings: Settings) -> Iterator[Wire]:
    """The product reaches Local Persona through this proxy only."""
    with Wire(persona) as proxy:
        settings.PERSONA_BASE_URL = proxy.url
        yield proxy


@pytest.fixture
def world(
    persona: LocalPersona,
    wire: Wire,
    clock: Clock,
    make_draft: Callable[..., Import],
    known_list: FaceList,
    actor: Actor,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    sent = submit(make_draft(known_list), actor)
    return World(persona, wire, clock, sent, actor, settings, monkeypatch)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_behind_a_proxy(tmp_path_factory.mktemp("site")) as started:
        yield started


@pytest.fixture(scope="module")
def proxy(site: Site) -> Iterator[Nginx]:
    """The shipped nginx in front of the site."""
    with nginx(site.installed.port) as started:
        yield started


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """127 photos and a text file."""
    return find_or_draw_corpus(tmp_path_factory.mktemp("drawn") / "faces")
