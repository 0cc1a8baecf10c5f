"""A deadline for a whole request. The timeouts of requests limit each read, not all of them.

Otherwise a server that drips a byte at a time, even of its TLS handshake, would hold a thread of
the worker for hours.
"""

import socket
import threading
import time
from contextlib import suppress
from typing import Self

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
            self._let_go()

    def watch(self, connection: socket.socket) -> None:
        """Watch this connection from now on, in place of any other."""
        with self._lock:
            self._let_go()
            # A duplicate outlives the TLS handshake, which takes the original's descriptor.
            self._connection = socket.fromfd(
                connection.fileno(), connection.family, connection.type
            )
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

    def _let_go(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None
