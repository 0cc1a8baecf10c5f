"""A proxy between the product and Local Persona: it records each import and can break off."""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Self
from urllib.parse import urlsplit

from importers.imaging.inspection import digest
from importers.local_persona import LedgerEntry, LocalPersona, bodies

RESET_ON_CLOSE = b"\x01\0\0\0\0\0\0\0"  # a linger of zero: RST instead of FIN


@dataclass(frozen=True)
class Break:
    """How the next connection breaks off: by "reset", in "silence", or after "half" an answer.

    `body_is_read` says whether the request is read to its end first, `is_made` whether Persona
    receives it and makes the import.
    """

    how: str
    body_is_read: bool = True
    is_made: bool = False


@dataclass(frozen=True)
class SentImport:
    """A request to import faces, as it went over the wire. `content` is empty if it broke off."""

    key: str
    content: str
    hashes: tuple[str, ...] = ()


class Wire(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, persona: LocalPersona) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self._persona, self._target = persona, urlsplit(persona.url)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"http://{self.address}{self._target.path}"
        self.sent: list[SentImport] = []
        self.next_break: Break | None = None
        self.has_broken = threading.Event()
        self.has_broken.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def break_next(self, how: str, *, body_is_read: bool = True, is_made: bool = False) -> None:
        """Break the next connection. `has_broken` is set once it is broken."""
        self.next_break = Break(how, body_is_read, is_made)
        self.has_broken.clear()

    def forward(self, request: bytes) -> bytes:
        """Return Local Persona's answer to a request."""
        with socket.create_connection((self._target.hostname, self._target.port)) as persona:
            persona.sendall(request)
            persona.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: persona.recv(65_536), b""))

    def ledger(self) -> list[LedgerEntry]:
        """The imports that Persona made of requests over this wire."""
        return [row for row in self._persona.ledger() if row.headers["host"] == self.address]


class _Passage(BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        broken, self.server.next_break = self.server.next_break, None
        head = self._read_until(lambda read: b"\r\n\r\n" in read)
        length = int(_header(b"content-length", head) or 0)
        whole = head.index(b"\r\n\r\n") + 4 + length if head else 0
        reads_body = broken is None or broken.body_is_read
        request = self._read_until(lambda read: len(read) >= whole, head) if reads_body else head
        self._record(request, whole)
        answer = self.server.forward(request) if broken is None or broken.is_made else b""
        if broken is None:
            self.request.sendall(answer)
            return
        self._break(broken.how, answer)

    def _break(self, how: str, answer: bytes) -> None:
        self.server.has_broken.set()
        if how == "half":
            self.request.sendall(answer[:-20])
        elif how == "silence":
            self.request.recv(1)  # returns when the client gives up
        else:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.request.close()

    def _read_until(self, is_enough: Callable[[bytes], bool], read: bytes = b"") -> bytes:
        while not is_enough(read) and (piece := self.request.recv(65_536)):
            read += piece
        return read

    def _record(self, request: bytes, whole: int) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        key = _header(b"idempotency-key", head)
        if not key:
            return
        if len(request) < whole:
            self.server.sent.append(SentImport(key, ""))
            return
        files = bodies.parse(_header(b"content-type", head), body).files
        hashes = tuple(file.sha256 for file in files)
        self.server.sent.append(SentImport(key, digest(body), hashes))


def _header(name: bytes, head: bytes) -> str:
    match = re.search(rb"^" + name + rb": *(.+?)\r?$", head, re.IGNORECASE | re.MULTILINE)
    return match[1].decode() if match else ""
