"""Local Persona in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

from importers.local_persona import IMPORT, LocalPersona
from tests.bench.beside import beside


class Persona(NamedTuple):
    url: str
    list_id: str


@contextmanager
def local_persona(*, rate_limit: int | None = None, answer_seconds: float = 0) -> Iterator[Persona]:
    """A new Local Persona. It answers imports after `answer_seconds`."""
    with beside(_run, rate_limit, answer_seconds) as pipe:
        yield Persona(*pipe.recv())


def _run(pipe: Connection, rate_limit: int | None, answer_seconds: float) -> None:
    with LocalPersona(delay=0, rate_limit=rate_limit) as persona:
        if answer_seconds:
            persona.faults.inject("slow", None, IMPORT, seconds=answer_seconds)
        pipe.send((persona.url, persona.add_list("Known fraud")))
        pipe.recv()
