"""Clients that hold a connection open, and how long everyone else waits meanwhile."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from tests.support.nginx import HOST

STRANGER = "127.0.0.2"  # another address than that of the people who are signed in
TIMES = 9
# A two-core machine that does other things may need this long for any request.
NOISE_SECONDS = 0.3


def http(method: str, path: str, *headers: str, body: str = "") -> bytes:
    """Return a request as it goes over the wire."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "", body]).encode()


@contextmanager
def connections(
    port: int, count: int, sent: bytes, tls: ssl.SSLContext | None = None
) -> Iterator[list[socket.socket]]:
    """Open connections that send only this much, and close them at the end."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = socket.socket()
            # As over a long distance: by default the kernel takes no large answer for it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            connection.settimeout(10)
            connection.bind((STRANGER, 0))
            connection.connect(("127.0.0.1", port))
            if tls:
                connection = tls.wrap_socket(connection, server_hostname=HOST)
            stack.enter_context(connection)
            connection.sendall(sent)
            opened.append(connection)
        yield opened


def is_waiting(connection: socket.socket) -> bool:
    """Return True if the server has neither answered nor closed the connection."""
    connection.settimeout(0)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def usual_seconds(ask: Callable[[], object]) -> float:
    """Return the median time of several requests."""
    return median(_seconds(ask) for _ in range(TIMES))


def at_most_three_times(quiet: list[float], busy: list[float]) -> bool:
    """Return True if no kind of request takes much longer than without the slow clients."""
    pairs = zip(quiet, busy, strict=True)
    return all(now <= max(3 * before, NOISE_SECONDS) for before, now in pairs)


def _seconds(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began
