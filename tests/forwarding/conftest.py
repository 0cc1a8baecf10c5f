"""Fixtures for forwarding: imports that Persona has."""

from collections.abc import Callable

import pytest

from importers.audit.actors import Actor
from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.models import FaceList, Import
from tests.support.attestations import submit
from tests.support.batches import OWNER
from tests.support.forwarding import time_passes

Make = Callable[..., Import]


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
