"""Inspects pictures in child processes, so that a costly or hostile one ends only its child.

Each thread that has a picture takes an idle child and talks to it; no thread runs in between. A
child starts at its first picture, without the files, the sockets and the environment of its parent,
whose secrets it does not need. Pure: no Django.
"""

import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importers.imaging import child, messages
from importers.imaging.decoding import Rejected, TooCostly
from importers.imaging.inspection import EXTENSIONS, Facts

log = logging.getLogger(__name__)
PROJECT = Path(__file__).resolve().parents[2]
LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # some Pythons do not start without
MOST_REPLY_BYTES = 1_000_000
SEND_BUFFER_BYTES = 1_000_000  # or as much as the kernel grants, so that both sides wait less often
START_SECONDS = 60
BRIEFLY_SECONDS = 0.25
# Returns the facts of a picture, or raises Rejected or CannotStart.
Inspect = Callable[[bytes], Facts]


class Busy(Exception):
    """Enough pictures are waiting already. Nothing was inspected."""


class CannotStart(Exception):
    """A child could not be started. This says nothing about the picture."""


@dataclass(frozen=True)
class Limits:
    """Of one child. The most costly pictures that we accept need 0.4 GB or 3 s.

    With less memory than that, libjpeg would report some of them as damaged.
    """

    memory_bytes: int = 600_000_000
    processor_seconds: float = 10
    seconds: float = 30  # for a child that does not even use its processor time
    pictures: int = 500  # then another replaces it, so that nothing builds up or lives on in it


class Processes:
    """Inspects at most `count` pictures at a time, for at most `places` threads."""

    def __init__(self, count: int, places: int, limits: Limits | None = None) -> None:
        self._children = [_Child(limits or Limits()) for _ in range(count)]
        # Last in, first out: a child that is never needed never starts.
        self._idle: queue.LifoQueue[_Child] = queue.LifoQueue()
        for one in self._children:
            self._idle.put(one)
        self._places = threading.BoundedSemaphore(places)

    @contextmanager
    def place(self, *, wait: bool) -> Iterator[Inspect]:
        """Hold a place, and yield what inspects one picture after another.

        Raises Busy, unless `wait`, if no place is free in a moment.
        """
        if not self._places.acquire(timeout=None if wait else BRIEFLY_SECONDS):
            raise Busy
        try:
            yield self._inspect
        finally:
            self._places.release()

    def close(self) -> None:
        """End every child. The next picture starts one again."""
        for one in self._children:
            one.end()

    def _inspect(self, data: bytes) -> Facts:
        one = self._idle.get()
        try:
            return one.inspect(data)
        finally:
            self._idle.put(one)


class _Child:
    """One child process, or none while there was no picture. Used by one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inspected = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def inspect(self, data: bytes) -> Facts:
        connection = self._connection()
        self._inspected += 1
        began = time.monotonic()
        try:
            connection.settimeout(self._limits.seconds)
            connection.sendall(messages.pack({}, data))
            read = _reader(connection, began + self._limits.seconds)
            return _facts(*messages.unpack(read, MOST_REPLY_BYTES))
        except (OSError, EOFError, ValueError, KeyError) as error:
            status = self.end()
            log.warning(
                "an image process ended with status %s, %.1f s into a picture of %d bytes",
                *(status, time.monotonic() - began, len(data)),
            )
            raise TooCostly from error

    def end(self) -> int | None:
        """End the process, if there is one, and return its status."""
        process, self._process = self._process, None
        connection, self._socket = self._socket, None
        if connection:
            connection.close()
        if process is None:
            return None
        process.kill()
        return process.wait()

    def _connection(self) -> socket.socket:
        is_alive = self._process is not None and self._process.poll() is None
        if self._socket and is_alive and self._inspected < self._limits.pictures:
            return self._socket
        self.end()
        self._socket = self._start()
        return self._socket

    def _start(self) -> socket.socket:
        """Raises CannotStart."""
        limits = (str(self._limits.memory_bytes), str(self._limits.processor_seconds))
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  (our own program)
                    [sys.executable, "-B", "-m", child.__name__, *limits],
                    cwd=PROJECT,
                    env={name: os.environ[name] for name in LIBRARY_PATHS if name in os.environ},
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,  # an error's text may quote the picture
                )
            messages.unpack(_reader(ours, time.monotonic() + START_SECONDS), MOST_REPLY_BYTES)
        except (OSError, EOFError, ValueError) as error:
            ours.close()
            raise CannotStart(f"No image process could be started: {self.end()}.") from error
        self._inspected = 0
        return ours


def _reader(connection: socket.socket, deadline: float) -> Callable[[int], bytes]:
    """Return a function that reads exactly so many bytes. It raises TimeoutError or EOFError."""

    def read(count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            part = connection.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    return read


def _facts(words: dict[str, Any], thumbnail: bytes) -> Facts:
    if "code" in words:
        raise Rejected(str(words["code"]), str(words["sentence"]))
    if words["format"] not in EXTENSIONS:
        raise ValueError("The format is unknown.")
    return Facts(words["format"], int(words["width"]), int(words["height"]), thumbnail)
