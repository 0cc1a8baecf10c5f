"""A client of Persona under test, two files to send, and the error that an answer leads to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from importers.persona import errors
from importers.persona.client import Client, Exchange, ImageFile
from importers.persona.responses import Importer, PersonaList
from tests.support.scripted_persona import Scripted

KEY = "persona_sandbox_SECRETKEY"
PHOTO = ImageFile("6f1e.jpg", "image/jpeg", b"\xff\xd8PHOTO BYTES\xff\xd9")
DRAWING = ImageFile("77aa.png", "image/png", b"\x89PNG\r\n\x1a\nDRAWING BYTES")


def client_of(url: str, timeout: float = 5, seen: list[Exchange] | None = None) -> Client:
    """Return a client of this server, which appends its exchanges to `seen`."""
    note = seen.append if seen is not None else lambda exchange: None
    return Client(url, KEY, version="2025-12-08", timeout_seconds=timeout, on_exchange=note)


def send(client: Client, key: str = "") -> Importer:
    """Send both files, under a new idempotency key if none is given."""
    return client.import_faces("lst_1", [PHOTO, DRAWING], key or str(uuid4()))


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return len(os.listdir("/dev/fd"))


def every_list(client: Client) -> list[PersonaList]:
    """Read the lists of all pages."""
    rows: list[PersonaList] = []
    after: str | None = ""
    while after is not None:
        page, after = client.lists_page(after)
        rows += page
    return rows


@contextmanager
def client_and_server(answer: Scripted) -> Iterator[tuple[Client, Scripted]]:
    """Run the server, and return a client of it beside it."""
    with answer as server:
        yield client_of(server.url), server


def error_after(answer: Scripted) -> errors.PersonaError:
    """Return the error that a send raises when Persona answers so."""
    with answer as server, pytest.raises(errors.PersonaError) as caught:
        send(client_of(server.url))
    return caught.value
