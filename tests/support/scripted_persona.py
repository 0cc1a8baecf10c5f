"""A server in place of Persona that gives one scripted answer, and the bodies it may send."""

import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

PENDING: dict[str, Any] = {
    "status": "pending",
    "created-at": "2026-07-12T17:16:54.656Z",
    "completed-at": None,
    "error-count": 0,
    "successful-count": 0,
    "duplicate-count": 0,
}


Script = Callable[[socket.socket, threading.Event], None]


class Scripted:
    """A server that records each request and answers it by a script, one after the other.

    The script gets the connection and an event that is set when the test ends.
    """

    def __init__(
        self,
        script: Script,
        *,
        reads_head: bool = True,
        reads_body: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[bytes] = []
        self._over = threading.Event()
        self._script = script
        self._reads_head, self._reads_body = reads_head, reads_body
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    @property
    def heads(self) -> list[list[str]]:
        return [
            request.partition(b"\r\n\r\n")[0].decode().splitlines() for request in self.requests
        ]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # the client closed the connection first
                if self._tls:
                    with self._tls.wrap_socket(connection, server_side=True) as secured:
                        self._talk(secured)
                else:
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._reads_head:
            self.requests.append(self._read(connection))
        self._script(connection, self._over)

    def _read(self, connection: socket.socket) -> bytes:
        read = b""
        while b"\r\n\r\n" not in read:
            if not (piece := connection.recv(65_536)):
                return read
            read += piece
        length = re.search(rb"content-length: (\d+)", read, re.IGNORECASE)
        whole = read.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
        while self._reads_body and len(read) < whole:
            read += connection.recv(65_536)
        return read

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()


def says(status: str, body: bytes | dict[str, Any] = b"", /, **headers: str) -> Scripted:
    """Return a server that gives this answer to every request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in named.items()]
    return speaks("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def speaks(raw: bytes) -> Scripted:
    """Return a server that answers every request with these bytes, HTTP or not."""
    return Scripted(lambda connection, over: connection.sendall(raw))


def reset(connection: socket.socket, over: threading.Event) -> None:
    """End the connection with an RST, as a peer that crashed does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


def forge_tls_record(connection: socket.socket, over: threading.Event) -> None:
    """Answer beneath TLS with a record that fails its check, as an attacker on the way can."""
    with socket.socket(fileno=os.dup(connection.fileno())) as raw:
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        over.wait(5)


def drip(head: bytes) -> Script:
    """Send an answer that never ends, one byte at a time."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.wait(0.02):
            connection.sendall(b"1\r\n \r\n" if b"chunked" in head else b" ")

    return script


def importer(attributes: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return the body of an answer that holds one importer of faces."""
    kind = "importer/list-item/face"
    return {"data": {"type": kind, "id": "mprt_1", "attributes": attributes, **others}}


def importers(*kinds: str, next: str | None = None) -> dict[str, Any]:
    """Return the body of a page of importers: one row of each type, with ids mprt_0, mprt_1, …"""
    rows = [
        {"type": kind, "id": f"mprt_{n}", "attributes": dict(PENDING)}
        for n, kind in enumerate(kinds)
    ]
    return {"data": rows, "links": {"prev": None, "next": next}}
