"""Local Persona with a list of faces, for tests that need no row of ours."""

from collections.abc import Iterator

import pytest

from importers.local_persona import LocalPersona
from importers.persona import sessions
from tests.support.persona_client import KEY


@pytest.fixture(autouse=True)
def no_kept_connection() -> None:
    """Close what the test before has kept."""
    sessions.current.session = None


@pytest.fixture
def local() -> Iterator[LocalPersona]:
    with LocalPersona(api_key=KEY) as persona:
        yield persona


@pytest.fixture
def known(local: LocalPersona) -> str:
    """The id of a list that Persona knows."""
    return local.add_list("Known fraud")
