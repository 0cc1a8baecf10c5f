"""A deadline for a whole request. The timeouts of requests limit each read, not all of them.

Otherwise a server that drips a byte at a time, even of its TLS handshake, would hold a thread of
the worker for hours.
"""

import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux has the former


def now() -> float:
    """Return seconds of a clock that nobody sets, and that runs while the machine is suspended."""
    return time.clock_gettime(CLOCK)


class Deadline:
    """Shuts the connection of a request down `seconds` after the block began.

    What had arrived by then can still be read: an answer that came in time is never lost.
    """

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._connection: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None

    def watch(self, connection: socket.socket) -> None:
        with self._lock:
            # A duplicate outlives the TLS handshake, which takes the original's descriptor.
            self._connection = connection.dup()
            if self.has_passed:
                self._shut_down()

    def _pass(self) -> None:
        with self._lock:
            self.has_passed = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._connection:
            with suppress(OSError):  # the other side has closed it
                self._connection.shutdown(socket.SHUT_RDWR)


class Adapter(HTTPAdapter):
    """One connection, which `deadline` watches."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=1, pool_maxsize=1)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **options)
        kind = _Secure if pool.scheme == "https" else _Plain
        pool.ConnectionCls = partial(kind, self._deadline)  # type: ignore[attr-defined]
        return pool


class _Plain(HTTPConnection):
    def __init__(self, deadline: Deadline, **options: Any) -> None:
        super().__init__(**options)
        self._deadline = deadline

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        self._deadline.watch(connection)
        return connection


class _Secure(_Plain, HTTPSConnection):
    """The same with TLS."""
