"""Open pages of imports that poll, and what they cost everybody else."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from multiprocessing.connection import Connection
from threading import Event

from importers.intake.files import GROUP_FILES
from tests.bench.beside import beside
from tests.bench.figures import Bench, Figure, at_least, at_most, medians, processor_seconds
from tests.bench.intake import at_once, uploads_to
from tests.bench.pages import poll_addresses
from tests.bench.rows import write_history
from tests.support.site import PERSON, Person
from tests.support.slow_clients import http

PAGES, EVERY_SECONDS = 200, 2
ROUNDS, OBSERVED_SECONDS = 5, 60
PROXIED = f"X-Forwarded-For: {PERSON}"


def figures(bench: Bench) -> Iterator[Figure]:
    photos = 1_000 if bench.is_full else 400
    with bench.installed() as installed:
        write_history(installed, bench.imports)
        web = installed.start_web()
        officer, upload = Person(installed.url), uploads_to(installed)
        polls = poll_addresses(installed, officer, range(1, PAGES + 1))
        with open_pages(installed.port, officer.cookie, polls), processor_seconds(web.pid) as used:
            Event().wait(OBSERVED_SECONDS)
        rounds = []
        for _ in range(ROUNDS):
            alone = at_once(upload, photos, GROUP_FILES, clients=1)
            with open_pages(installed.port, officer.cookie, polls):
                rounds.append((at_once(upload, photos, GROUP_FILES, clients=1), alone))
    cores = used[0] / OBSERVED_SECONDS
    yield at_most(f"P12 {PAGES} open pages, a poll every 2 s", 0.5, cores, 0, "cores")
    what = "P12 an upload meanwhile, group after group, over alone"
    yield at_least(what, 0.9, *medians(rounds), "/s")


@contextmanager
def open_pages(port: int, cookie: str, polls: list[str]) -> Iterator[None]:
    """Poll from a process of its own while the block runs. Each minute a page changes."""
    with beside(_run, port, cookie, polls) as pipe:
        assert pipe.recv() == "open"
        yield
    answers = pipe.recv()
    assert answers.keys() <= {b"200", b"204"}, answers


def _run(pipe: Connection, port: int, cookie: str, polls: list[str]) -> None:
    pipe.send(asyncio.run(_poll_all(pipe, port, cookie, polls)))


async def _poll_all(pipe: Connection, port: int, cookie: str, polls: list[str]) -> Counter[bytes]:
    """Poll until something comes through the pipe. Return how often each status was answered."""
    answers: Counter[bytes] = Counter()
    pages = [
        asyncio.create_task(_page(port, cookie, poll, EVERY_SECONDS * n / len(polls), answers))
        for n, poll in enumerate(polls)
    ]
    await asyncio.sleep(EVERY_SECONDS)  # each page has what it shows now
    pipe.send("open")
    await asyncio.to_thread(pipe.recv)
    for page in pages:
        page.cancel()
    return answers


async def _page(port: int, cookie: str, poll: str, after: float, answers: Counter[bytes]) -> None:
    await asyncio.sleep(after)
    while True:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        headers = ("Host: localhost", PROXIED, f"Cookie: {cookie}", "HX-Request: true")
        writer.write(http("GET", poll, *headers, "Connection: close"))
        answer = await reader.read()
        writer.close()
        answers[answer[9:12]] += 1
        if found := re.search(rb'hx-get="([^"]*)"', answer):  # the page has changed
            poll = unescape(found[1].decode())
        await asyncio.sleep(max(0, began + EVERY_SECONDS - time.monotonic()))
