"""Fixtures for recovery: batches in doubt, and importers that others made."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
from pytest_django import Settings

from importers.forwarding.claims import Leases
from importers.forwarding.sending import send_next
from importers.gateway import breaker
from importers.local_persona import LocalPersona
from importers.models import Batch, FaceList, Gateway, Import
from importers.persona.client import Client, ImageFile
from tests.support.batches import OWNER, Meanwhile, the_only
from tests.support.forwarding import Clock, time_passes
from tests.support.pictures import draw
from tests.support.recovery import ImportByOthers, recover

Make = Callable[..., Import]
PICTURES = [draw(1000 + seed, size=(200, 200), kind="PNG") for seed in range(3)]


@pytest.fixture
def persona(settings: Settings, clock: Clock, meanwhile: Meanwhile) -> Iterator[LocalPersona]:
    """Local Persona with a clock of its own and no rate limit."""
    with LocalPersona(delay=0, rate_limit=None, clock=clock, pause=meanwhile) as server:
        settings.PERSONA_BASE_URL = server.url
        settings.PERSONA_IS_LOCAL = True
        yield server


@pytest.fixture
def make_import(make_import: Make, known_list: FaceList) -> Make:
    """Makes an import of one batch for the known list, ready to be sent."""
    return partial(make_import, known_list)


@pytest.fixture
def in_doubt(persona: LocalPersona, make_import: Make) -> Make:
    """Makes an import whose batch was sent without an answer and goes into recovery."""

    def make(*, made: bool, first_seed: int = 0) -> Import:
        sent = make_import(first_seed=first_seed)
        persona.faults.inject("drop_made" if made else "drop_unmade")
        assert send_next(Leases(OWNER))
        # As after a 5xx of Persona's own, of which the same key tells nothing more.
        sent.batches.update(recover_first=True, problem="server_trouble")
        # Open, it would let no other batch go before this one is clear.
        Gateway.objects.update(**breaker.CLOSED)
        time_passes()
        return sent

    return make


@pytest.fixture
def import_by_others(persona: LocalPersona, clock: Clock) -> ImportByOthers:
    """Makes importers that are not ours in the same environment, and returns their ids."""
    client = Client(persona.url, persona.key, version="2025-12-08", timeout_seconds=10)
    theirs = persona.add_list("Theirs")
    files = [ImageFile("theirs.png", "image/png", picture) for picture in PICTURES]

    def make(times: int = 1, *, images: int = 1, seconds_from_now: float = 0) -> list[str]:
        clock.ahead = timedelta(seconds=seconds_from_now)
        keys = [f"others {seconds_from_now} {n}" for n in range(times)]
        made = [client.import_faces(theirs, files[:images], key).id for key in keys]
        clock.ahead = timedelta()
        return made

    return make


@pytest.fixture
def ambiguous(in_doubt: Make, import_by_others: ImportByOthers) -> Batch:
    """A batch that two importers at Persona could belong to; the newer one is not ours."""
    sent = in_doubt(made=True)
    import_by_others()
    recover()
    batch = the_only(sent)
    assert batch.problem == "ambiguous"
    return batch
