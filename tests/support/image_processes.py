"""Image processes of a test's own, and watching them from outside."""

import itertools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from django.conf import settings

from importers.imaging import child
from importers.imaging.inspection import Facts
from importers.imaging.processes import Limits, Processes
from importers.intake.inspecting import PLACES, processes
from tests.support.pictures import encode, repeat_last_scan, solid

CHILD = child.__name__
PATIENCE_SECONDS = 20
_numbers = itertools.count(1)  # the product has the plain limit


@dataclass(frozen=True)
class Pool:
    processes: Processes
    limits: Limits

    def inspect(self, data: bytes, *, wait: bool = True) -> Facts:
        """Inspect one picture in a place of its own."""
        with self.processes.place(wait=wait) as inspect:
            return inspect(data)

    def pids(self) -> list[int]:
        words = f"{CHILD} {self.limits.memory_bytes} "
        return [one.pid for one in all_processes() if words in one.command and one.is_ours]


@dataclass(frozen=True)
class Listed:
    pid: int
    parent: int
    state: str
    command: str

    @property
    def is_ours(self) -> bool:
        return self.parent == os.getpid()


@contextmanager
def pool(count: int = 1, places: int = 4, limits: Limits | None = None) -> Iterator[Pool]:
    """Processes with an unusual memory limit, by which their children are recognised."""
    limits = limits or Limits()
    limits = replace(limits, memory_bytes=limits.memory_bytes + next(_numbers))
    own = Processes(count, places, limits)
    try:
        yield Pool(own, limits)
    finally:
        own.close()


@contextmanager
def every_place_taken() -> Iterator[ExitStack]:
    """Hold the places of this process's own image processes, which `close` gives back sooner."""
    with ExitStack() as places:
        for _ in range(max(PLACES, settings.IMAGE_PROCESSES)):
            places.enter_context(processes.place(wait=False))
        yield places


def costly(side: int = 5_000) -> bytes:
    """A JPEG of few bytes that takes a second or two to decode, within our limit on scans."""
    return repeat_last_scan(encode(solid("L", (side, side)), "JPEG", progressive=True), 90)


def all_processes() -> list[Listed]:
    listing = ["/bin/ps", "-A", "-ww", "-o", "pid=,ppid=,state=,args="]
    lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split(maxsplit=3) for line in lines]
    return [Listed(int(row[0]), int(row[1]), row[2][0], row[3]) for row in rows if len(row) == 4]


def wait_until_busy(pid: int) -> None:
    """Wait until the process computes instead of waiting for a picture."""
    _wait_until(lambda: "R" in [one.state for one in all_processes() if one.pid == pid])


def wait_for_child(parent: int, state: str) -> int:
    """Wait until a process has an image process that is idle (S) or computes (R)."""
    found: list[int] = []

    def is_found() -> bool:
        of_parent = [one for one in all_processes() if one.parent == parent]
        found[:] = [one.pid for one in of_parent if one.state == state and CHILD in one.command]
        return bool(found)

    _wait_until(is_found)
    return found[0]


def wait_until_gone(pid: int) -> None:
    _wait_until(lambda: pid not in [one.pid for one in all_processes() if one.state != "Z"])


def _wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(PATIENCE_SECONDS * 50):
        if is_so():
            return
        threading.Event().wait(0.02)
    raise TimeoutError
