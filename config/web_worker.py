"""A gunicorn worker whose threads never wait for a request that is still arriving.

gunicorn's `gthread` reads the headers and the body of a request in a thread, so as many slow
clients as there are threads stop the site. Here the main loop collects them, and a thread gets the
connection once its headers and a body of up to SMALL_BODY_BYTES are complete. A larger body is
left to the application, which reads one only from a person who is signed in
(`importers/middleware.py`), within BODY_SECONDS. Each connection serves one request
(`keepalive = 0`), because the kernel can take only one answer that the client does not read.

Only a proxy protects against one client that opens very many connections.
"""

import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

ARRIVAL_SECONDS = 10  # for the headers and a small body
BODY_SECONDS = 300  # for a body that is read in a thread
STALL_SECONDS = 10  # without a byte read or written, while a thread waits
LINGER_SECONDS = 2  # for the client to close its side, so that it receives the whole answer
HEADER_BYTES = 32_768
SMALL_BODY_BYTES = 65_536
# The kernel takes this much of an answer at once, however slowly the client reads it.
ANSWER_BUFFER_BYTES = 524_288
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"


class PatientUnreader(SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """Reads a connection until `deadline`, on the monotonic clock. Raises NoMoreData after it."""

    deadline = 0.0

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise NoMoreData
        self.sock.settimeout(min(left, STALL_SECONDS))
        try:
            data: bytes = super().chunk(size_hint)
        except TimeoutError as error:
            raise NoMoreData from error
        finally:
            self.sock.settimeout(STALL_SECONDS)
        return data


class Connection(TConn):  # type: ignore[misc]
    """A connection, and the part of its request that has arrived."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ANSWER_BUFFER_BYTES)
        self.init()
        self.parser.unreader = PatientUnreader(self.sock, max_chunk=SMALL_BODY_BYTES)
        self.arrived = bytearray()

    def is_complete(self) -> bool:
        """Return True if a thread can handle the request without waiting for a stranger."""
        end = self.arrived.find(b"\r\n\r\n")
        if end < 0:
            return False
        announced = CONTENT_LENGTH.search(self.arrived, 0, end + 2)
        body = int(announced[1]) if announced else 0
        return body > SMALL_BODY_BYTES or len(self.arrived) >= end + 4 + body

    def hand_over(self) -> None:
        self.parser.unreader.unread(bytes(self.arrived))
        self.wait_for_body(0)  # the headers are there

    def wait_for_body(self, seconds: float) -> None:
        self.parser.unreader.deadline = time.monotonic() + seconds


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadlines: dict[Connection, float] = {}  # of connections that the main loop watches

    def accept(self, listener: Any) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            client, address = listener.accept()
            self.nr_conns += 1
            self.enqueue_req(Connection(self.cfg, client, address, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Collect the request. gunicorn calls this when it expects one."""
        self._watch(conn, ARRIVAL_SECONDS, self._collect)
        self._collect(conn)  # it may have arrived already

    def finish_request(self, conn: Connection, future: Future[Any]) -> None:
        self._linger(conn)

    def handle_request(self, request: Any, conn: Connection) -> Any:
        conn.sock.settimeout(STALL_SECONDS)
        conn.wait_for_body(BODY_SECONDS)
        return super().handle_request(request, conn)

    def murder_pending(self) -> None:
        """Drop expired connections. gunicorn calls this at least every second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self.deadlines.items()):
            is_idle = not self.alive and not conn.arrived  # nothing is lost when the worker stops
            if deadline < now or is_idle:
                self._drop(conn)

    def _collect(self, conn: Connection, _: object = None) -> None:
        try:
            data = conn.sock.recv(SMALL_BODY_BYTES)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        if data == b"":
            self._drop(conn)
            return
        conn.arrived += data or b""
        if conn.is_complete():
            self._unwatch(conn)
            conn.hand_over()
            super().enqueue_req(conn)
        elif b"\r\n\r\n" not in conn.arrived and len(conn.arrived) > HEADER_BYTES:
            with suppress(OSError):
                conn.sock.send(TOO_LARGE)
            self._unwatch(conn)
            self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        """Close the connection. gunicorn would wait for the client to do so in the main loop."""
        if conn.sock.fileno() < 0:  # closed in the thread after an error amid the answer
            self.nr_conns -= 1
            return
        with suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
        self._watch(conn, LINGER_SECONDS, self._discard)

    def _discard(self, conn: Connection, _: object = None) -> None:
        """Read what an answered client still sends, and close once it stops."""
        with suppress(OSError):
            if conn.sock.recv(SMALL_BODY_BYTES):
                return
        self._drop(conn)

    def _watch(
        self, conn: Connection, seconds: float, on_readable: Callable[[Connection, object], None]
    ) -> None:
        conn.sock.setblocking(False)
        self.deadlines[conn] = time.monotonic() + seconds
        self.poller.register(conn.sock, EVENT_READ, partial(on_readable, conn))

    def _unwatch(self, conn: Connection) -> None:
        del self.deadlines[conn]
        self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        self._unwatch(conn)
        self.nr_conns -= 1
        conn.close()
