"""Figures: what was measured, beside its goal and its baseline."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.support.people import PASSWORD
from tests.support.product import Product, product

NO_PERSONA = "http://127.0.0.1:9/api/v1"
TICKS = os.sysconf("SC_CLK_TCK")


class Figure(NamedTuple):
    what: str
    goal: str
    baseline: str
    ours: str
    is_met: bool


@dataclass(frozen=True)
class Bench:
    """One run on one database. `server` is a PostgreSQL server, or "" for SQLite."""

    folder: Path
    server: str
    is_full: bool

    @property
    def imports(self) -> int:
        """The length of the history, in imports of 50 images."""
        return 20_000 if self.is_full else 4_000

    def installed(
        self, persona_url: str = NO_PERSONA, **options: str
    ) -> AbstractContextManager[Product]:
        """A new installation with a folder of its own."""
        own = self.folder / f"product-{time.monotonic_ns()}"
        own.mkdir()
        options = {"DJANGO_SETTINGS_MODULE": "tests.support.production_settings"} | options
        return product(own, persona_url, PASSWORD, server=self.server, **options)


def at_least(what: str, goal: float, ours: float, baseline: float, unit: str) -> Figure:
    """The goal is a share of the baseline."""
    share = ours / baseline
    words = f"{ours:.0f} {unit} = {share:.2f}"
    return Figure(what, f"≥ {goal:.2f}", f"{baseline:.0f} {unit}", words, share >= goal)


def at_most(what: str, goal: float, ours: float, baseline: float, unit: str = "ms") -> Figure:
    """The goal has the unit of what was measured; the baseline is there to compare."""
    words = f"{ours:.1f} {unit}"
    return Figure(what, f"≤ {goal:g} {unit}", f"{baseline:.1f} {unit}", words, ours <= goal)


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_figure(figure: Figure) -> None:
    mark = " " if figure.is_met else "✗"
    what, goal, baseline, ours, _ = figure
    say(f"{mark} {what:58} {goal:>10}  {baseline:>14}  {ours:>20}")


def milliseconds(act: Callable[[], Any], times: int) -> list[float]:
    """The duration of each call, shortest first, without the first call."""
    act()
    durations = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        durations.append((time.perf_counter() - began) * 1000)
    return sorted(durations)


def p95(durations: list[float]) -> float:
    return sorted(durations)[int(len(durations) * 0.95)]


def medians(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """The medians of what alternated, ours first."""
    ours, baselines = zip(*rounds, strict=True)
    return median(ours), median(baselines)


@contextmanager
def processor_seconds(session: int) -> Iterator[list[float]]:
    """Measure the processor time that the processes of a session use within the block."""
    used: list[float] = []
    before = _ticks(session)
    yield used
    used.append((_ticks(session) - before) / TICKS)


def _ticks(session: int) -> int:
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) == session:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # its own and its ended children's
        except (ProcessLookupError, FileNotFoundError):
            continue
    return ticks
