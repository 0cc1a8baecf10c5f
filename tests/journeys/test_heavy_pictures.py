"""Costly pictures in an installed product: its web server stays small and answers at once."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.image_processes import all_processes, costly, wait_for_child
from tests.support.memory import most_kilobytes
from tests.support.pages import outcome_of
from tests.support.people import PASSWORD
from tests.support.pictures import draw, encode, solid
from tests.support.product import Product, product
from tests.support.site import Person

NO_PERSONA = "http://127.0.0.1:9/api/v1"
MOST_WEB_KILOBYTES = 300_000
LONGEST_SECONDS, PATIENCE_SECONDS = 1, 120
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")


@dataclass(frozen=True)
class Server:
    installed: Product
    pid: int
    officer: Person
    draft: str

    def upload(self, name: str, data: bytes) -> str:
        """Upload as the page does, and return the state or the reason for rejection."""
        for _ in range(PATIENCE_SECONDS):
            answer = self.officer.upload(self.draft, {name: data}, seconds=PATIENCE_SECONDS)
            if answer.status_code != 503:
                outcome = outcome_of(answer)
                return str(outcome["code"] or outcome["state"])
            threading.Event().wait(int(answer.headers["Retry-After"]))
        raise TimeoutError

    def seconds_of(self, path: str) -> float:
        began = time.monotonic()
        answer = self.officer.get(path)
        assert answer.status_code == 200
        return time.monotonic() - began

    def worker(self) -> int:
        """The process that gunicorn started for requests."""
        (worker,) = [one.pid for one in all_processes() if one.parent == self.pid]
        return worker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("product")
    with product(
        folder, NO_PERSONA, PASSWORD, IMAGE_PROCESSES="2", WEB_CONCURRENCY="1"
    ) as installed:
        draft = installed.open_draft()
        web = installed.start_web()
        yield Server(installed, web.pid, Person(installed.url), draft)


def test_six_largest_cmyk_pictures_at_once_leave_room_for_others(server: Server) -> None:
    picture = encode(solid("CMYK", (10_000, 5_000)), "JPEG", progressive=True, quality=20)
    with ThreadPoolExecutor(6) as threads:
        uploads = [
            threads.submit(server.upload, f"{number}.jpg", picture + bytes([number]))
            for number in range(6)
        ]
        seconds = [
            server.seconds_of(path)
            for path in visits(("/healthz", "/", "/imports/1/"), until=uploads)
        ]
        outcomes = [upload.result() for upload in uploads]
    assert outcomes == ["accepted"] * 6
    assert max(seconds) < LONGEST_SECONDS
    assert len(seconds) > 10
    assert most_kilobytes(server.worker()) < MOST_WEB_KILOBYTES


def visits(paths: tuple[str, ...], until: list[Future[str]]) -> Iterator[str]:
    while not all(upload.done() for upload in until):
        yield from paths


def test_killed_image_process_rejects_only_its_picture(server: Server) -> None:
    worker, data = server.worker(), costly(7_000)
    assert server.upload("first.jpg", draw(1)) == "accepted"
    with ThreadPoolExecutor(1) as thread:
        lost = thread.submit(server.upload, "lost.jpg", data)
        os.kill(wait_for_child(worker, "R"), signal.SIGKILL)
        assert lost.result() == "too_costly"
    assert server.upload("next.jpg", draw(2)) == "accepted"
    assert server.worker() == worker
