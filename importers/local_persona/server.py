"""Local Persona over HTTP."""

import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakSet

from .faults import Faults
from .messages import ROOT, Dropped, SeenRequest
from .responder import RateWindow, Responder
from .routes import FACE_LIST, Api
from .store import LedgerEntry, Store

HOST = "127.0.0.1"
DEFAULT_KEY = "persona_sandbox_local"
IDLE_SECONDS = 120
STOP_POLL_SECONDS = 0.02
REQUESTS_KEPT = 10_000
SEEDS = (
    ("list/email-address", "Blocked email addresses", False),
    (FACE_LIST, "Old watch list", True),
    (FACE_LIST, "Watch list", False),
    (FACE_LIST, "Confirmed fraud", False),
)


@dataclass(kw_only=True, eq=False)
class LocalPersona:
    """Listens between `start` and `stop`, or within a `with` block."""

    port: int = 0
    state: Path | str | None = None
    seed: bool = True
    api_key: str = field(default=DEFAULT_KEY, repr=False)
    delay: float = 0
    rate_limit: int | None = 300
    window_seconds: float = 60
    clock: Callable[[], float] = time.time
    pause: Callable[[float], object] | None = None

    def __post_init__(self) -> None:
        self.key, self.faults, self.stopping = self.api_key, Faults(), threading.Event()
        self.window = RateWindow(self.rate_limit, self.window_seconds, self.clock)
        self.log: deque[SeenRequest] = deque(maxlen=REQUESTS_KEPT)
        self.connections: WeakSet[socket.socket] = WeakSet()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Raise OSError if the port is in use, sqlite3.Error if the state cannot be read."""
        self.stopping.clear()
        self.server = Server((HOST, self.port), Handler)
        try:
            self.store = Store(self.state)
        except BaseException:
            self.server.server_close()
            raise
        if self.seed and not self.store.page("lists", 1):
            for kind, name, archived in SEEDS:
                self.add_list(name, archived, kind)
        self.url = f"http://{HOST}:{self.server.server_address[1]}{ROOT}"
        api, pause = Api(self.store, self.delay), self.pause or self.stopping.wait
        self.responder = Responder(api, self.faults, self.window, self.key, pause)
        self.server.persona = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(STOP_POLL_SECONDS,))
        self.thread.start()

    def stop(self) -> None:
        """Finish the requests in hand, and end the connections that wait for another."""
        self.stopping.set()
        self.server.shutdown()
        self.thread.join()
        for connection in list(self.connections):
            with suppress(OSError):  # the client was first
                connection.shutdown(socket.SHUT_RD)
        self.server.server_close()
        self.store.close()

    def add_list(self, name: str, archived: bool = False, kind: str = FACE_LIST) -> str:
        return self.store.add_list(kind, name, self.clock(), archived)

    def ledger(self) -> list[LedgerEntry]:
        """Return the imports that were made, oldest first."""
        return self.store.ledger()

    def requests(self) -> list[SeenRequest]:
        """Return the requests that arrived, oldest first."""
        return list(self.log)


class Server(ThreadingTCPServer):
    persona: LocalPersona
    allow_reuse_address = True
    daemon_threads = False  # so that closing waits for the requests in hand
    request_queue_size = 128

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.persona.connections.add(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # an OSError: a side ended the connection
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "LocalPersona"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """A Dropped ends the connection: the server closes it."""
        persona, target = self.server.persona, urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(target.query))
        seen = SeenRequest(self.command, target.path, query, headers, persona.clock())
        persona.log.append(seen)
        reply, own_headers = persona.responder.respond(seen, self._read)
        seen.status = reply.status
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in own_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def _read(self) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise Dropped
        return raw

    def date_time_string(self, timestamp: float | None = None) -> str:
        now = self.server.persona.clock() if timestamp is None else timestamp
        return super().date_time_string(now)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: requests carry file names and keys."""
