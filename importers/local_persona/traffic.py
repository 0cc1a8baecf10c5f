"""What passes: the log of requests, the rate window, the keys in flight."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from math import ceil

WINDOW_SECONDS = 60
REQUESTS_KEPT = 10_000


@dataclass(frozen=True)
class SeenRequest:
    """`status` is None while unanswered, and stays so where the connection was dropped."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    time: float
    status: int | None = None


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._seen: dict[int, SeenRequest] = {}

    def arrived(self, request: SeenRequest) -> int:
        with self._lock:
            number = next(self._numbers)
            self._seen[number] = request
            if len(self._seen) > REQUESTS_KEPT:
                del self._seen[next(iter(self._seen))]
            return number

    def answered(self, number: int, status: int) -> None:
        with self._lock:
            if number in self._seen:
                self._seen[number] = replace(self._seen[number], status=status)

    def all(self) -> list[SeenRequest]:
        with self._lock:
            return list(self._seen.values())


@dataclass(frozen=True)
class Pace:
    limit: int
    remaining: int
    reset_seconds: int
    exceeded: bool = False


class RateWindow:
    """A fixed window that begins with the first request."""

    def __init__(self, limit: int | None, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._began_at: float | None = None
        self._used = 0

    def count(self) -> Pace | None:
        if self._limit is None:
            return None
        with self._lock:
            now = self._clock()
            if self._began_at is None or now >= self._began_at + WINDOW_SECONDS:
                self._began_at, self._used = now, 0
            self._used += 1
            left = max(1, ceil(self._began_at + WINDOW_SECONDS - now))
            remaining = max(0, self._limit - self._used)
            return Pace(self._limit, remaining, left, self._used > self._limit)


class KeysInFlight:
    def __init__(self, waits: bool) -> None:
        self._waits = waits
        self._freed = threading.Condition()
        self._held: set[tuple[str, str]] = set()

    @contextmanager
    def hold(self, slot: tuple[str, str] | None) -> Iterator[bool]:
        """Yields False where another request holds the slot (and this one may not wait)."""
        if slot is None:
            yield True
            return
        mine = self._take(slot)
        try:
            yield mine
        finally:
            if mine:
                self._free(slot)

    def _take(self, slot: tuple[str, str]) -> bool:
        with self._freed:
            if self._waits:
                self._freed.wait_for(lambda: slot not in self._held)
            if slot in self._held:
                return False
            self._held.add(slot)
            return True

    def _free(self, slot: tuple[str, str]) -> None:
        with self._freed:
            self._held.discard(slot)
            self._freed.notify_all()
