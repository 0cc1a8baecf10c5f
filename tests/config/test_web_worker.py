"""Our gunicorn worker: when a request is complete, and how long a thread waits for its body.

`journeys/test_slow_clients.py` attacks the real server.
"""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData

from config import web_worker
from config.web_worker import SMALL_BODY_BYTES, Connection, PatientUnreader
from tests.support.slow_clients import http

LARGE = f"Content-Length: {SMALL_BODY_BYTES + 1}"


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection: ours and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("arrived", "is_complete"),
    [
        (b"", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", False),
        (http("GET", "/", "Host: a"), True),
        (http("POST", "/", "Content-Length: 0"), True),
        (http("POST", "/", "Content-Length: 5", body="four"), False),
        (http("POST", "/", "content-length:5", body="five!"), True),
        (http("POST", "/", "X-Content-Length: 5"), True),
        (http("POST", "/", f"Content-Length: {SMALL_BODY_BYTES}"), False),
        (http("POST", "/", LARGE), True),
        (http("POST", "/", "Transfer-Encoding: chunked"), True),
    ],
)
def test_thread_gets_a_request_once_its_headers_and_small_body_are_there(
    arrived: bytes, is_complete: bool, sockets: tuple[socket.socket, socket.socket]
) -> None:
    connection = Connection(Config(), sockets[0], ("127.0.0.1", 1), ("127.0.0.1", 2))
    connection.arrived += arrived
    assert connection.is_complete() is is_complete


class TestBody:
    def test_body_that_drips_ends_at_its_deadline(
        self, sockets: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = sockets
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.01):
                theirs.send(b"x")

        client = threading.Thread(target=drip)
        client.start()
        try:
            unreader = PatientUnreader(ours)
            unreader.deadline = time.monotonic() + 0.2
            with pytest.raises(NoMoreData):
                unreader.read(1_000_000)
        finally:
            stop.set()
            client.join()

    def test_body_that_stalls_ends_before_its_deadline(
        self, sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(web_worker, "STALL_SECONDS", 0.05)
        unreader = PatientUnreader(sockets[0])
        unreader.deadline = time.monotonic() + 60
        with pytest.raises(NoMoreData):
            unreader.read(10)
