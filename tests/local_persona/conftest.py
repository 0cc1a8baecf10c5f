from collections.abc import Iterator

import pytest

from importers.local_persona import LocalPersona
from tests.support.local_persona import Caller, SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def persona(clock: SetClock) -> Iterator[LocalPersona]:
    with LocalPersona(clock=clock) as persona:
        yield persona


@pytest.fixture
def client(persona: LocalPersona) -> Iterator[Caller]:
    with Caller(persona) as client:
        yield client


@pytest.fixture
def fraud(persona: LocalPersona) -> str:
    """A list of faces, by its id."""
    return persona.add_list("Fraud")
