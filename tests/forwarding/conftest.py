"""Fixtures for forwarding: what happens during a request, and imports that Persona has."""

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.local_persona import LocalPersona
from importers.models import FaceList, Import
from tests.support.attestations import submit
from tests.support.batches import OWNER, Meanwhile
from tests.support.forwarding import time_passes

Make = Callable[..., Import]


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
def at_persona(make_draft: Make, actor: Actor, known_list: FaceList) -> Make:
    """Makes an import whose batches have all been accepted by Persona."""

    def make(images: int = 3, *, first_seed: int = 0) -> Import:
        sent = submit(make_draft(known_list, images, first_seed=first_seed), actor)
        while send_next(Leases(OWNER)):
            pass
        time_passes()
        return sent

    return make
