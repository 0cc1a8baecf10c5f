import errno
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from .answers import SPELLINGS, Answer, Dropped, error
from .desk import Desk
from .faults import FaultBox
from .routes import API, Api, Request
from .store import FACE_LIST, LedgerEntry, Store, random_id
from .traffic import WINDOW_SECONDS, KeysInFlight, Pace, RateWindow, RequestLog, SeenRequest

HOST = "127.0.0.1"
DEFAULT_KEY = "persona_sandbox_local"
ENVIRONMENT_ID = "env_LocaLPersonaStandsLocaL1"
ORGANIZATION_ID = "org_LocaLPersonaStandsLocaL1"
MAX_BODY_BYTES = 256 * 1024 * 1024
IDLE_SECONDS = 120
POLL_SECONDS = 0.02
FORCED_LIMIT = 300
SEEDS = (
    ("list/email-address", "Blocked email addresses", False),
    (FACE_LIST, "Old watch list", True),
    (FACE_LIST, "Watch list", False),
    (FACE_LIST, "Confirmed fraud", False),
)


class PortTaken(Exception):
    pass


class LocalPersona:
    """Listens between `start` and `stop`, or within a `with` block."""

    url: str

    def __init__(
        self,
        *,
        port: int = 0,
        state: Path | str | None = None,
        seed: bool = True,
        api_key: str = DEFAULT_KEY,
        delay: float = 0,
        rate_limit: int | None = 300,
        unknown_list: int = 404,
        in_flight: str = "conflict",
        inflection: str = "kebab",
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        if unknown_list not in (400, 404) or in_flight not in ("conflict", "wait"):
            raise ValueError("unknown_list is 400 or 404; in_flight is 'conflict' or 'wait'.")
        self.key = api_key
        self.faults = FaultBox()
        self._port, self._state, self._seed = port, state, seed
        self._delay, self._unknown_list = delay, unknown_list
        self._inflection, self._clock = inflection, clock
        self._log = RequestLog()
        self._window = RateWindow(rate_limit, clock)
        self._in_flight = KeysInFlight(waits=in_flight == "wait")
        self._stopping = threading.Event()
        self._pause = pause or self._stopping.wait

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._stopping.clear()
        self._server = _bind(self._port)
        try:
            self._store = Store(Path(self._state) if self._state else None)
        except BaseException:
            self._server.server_close()
            raise
        if self._seed and self._store.is_empty():
            for kind, name, archived in SEEDS:
                self._store.add_list(kind, name, self._clock(), archived)
        origin = f"http://{HOST}:{self._server.server_port}"
        self.url = origin + API
        api = Api(self._store, self._delay, self._unknown_list, origin)
        desk = Desk(api, self.faults, self._window, self._in_flight, self.key, self._pause)
        self._server.open(desk, self._log, self._clock, self._inflection)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,))
        self._thread.start()

    def stop(self) -> None:
        """Finishes the requests in hand, and ends the connections that wait for another."""
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._store.close()

    def add_list(self, name: str, archived: bool = False, kind: str = FACE_LIST) -> str:
        return self._store.add_list(kind, name, self._clock(), archived)

    def ledger(self) -> list[LedgerEntry]:
        return self._store.ledger()

    def requests(self) -> list[SeenRequest]:
        return self._log.all()


def _bind(port: int) -> "_Server":
    try:
        return _Server((HOST, port), _Conversation)
    except OSError as cause:
        if cause.errno == errno.EADDRINUSE:
            raise PortTaken(port) from cause
        raise


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the requests in hand
    request_queue_size = 128
    desk: Desk
    log: RequestLog
    clock: Callable[[], float]
    inflection: str

    def server_bind(self) -> None:
        """As in HTTPServer, without asking a name server for our own name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]
        self._connections: set[socket.socket] = set()

    def open(
        self, desk: Desk, log: RequestLog, clock: Callable[[], float], inflection: str
    ) -> None:
        self.desk, self.log, self.clock, self.inflection = desk, log, clock, inflection

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # an OSError: the client went away
            super().handle_error(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                continue  # the client was first
        self.server_close()


class _Conversation(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "LocalPersona"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._converse()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.clock() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: file names and keys pass here."""

    def _converse(self) -> None:
        request = self._request()
        number = self.server.log.arrived(self._seen(request))
        try:
            answer = self._answer(request)
        except Dropped:
            self.close_connection = True
            return
        self.server.log.answered(number, answer.status)
        self._send(answer, request)

    def _request(self) -> Request:
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(target.query))
        return Request(self.command, target.path, query, headers, b"", self.server.clock())

    def _seen(self, request: Request) -> SeenRequest:
        about = request.method, request.path, request.query, request.headers
        return SeenRequest(*about, request.at)

    def _answer(self, request: Request) -> Answer:
        self.server.desk.arrival(request)
        refusal = self._unreadable(request)
        if refusal:
            self.close_connection = True
            return refusal
        request.raw = self._body(int(request.headers.get("content-length", 0)))
        return self.server.desk.answer(request)

    def _unreadable(self, request: Request) -> Answer | None:
        length = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers or not (length.isascii() and length.isdigit()):
            return error(411, "Length Required")
        if int(length) > MAX_BODY_BYTES:
            return error(413, "Payload Too Large")
        return None

    def _body(self, length: int) -> bytes:
        try:
            raw = self.rfile.read(length)
        except OSError as cause:
            raise Dropped from cause
        if len(raw) < length:
            raise Dropped
        return raw

    def _send(self, answer: Answer, request: Request) -> None:
        body = answer.rendered(self._inflection(request))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in _persona_headers(answer, request.pace):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _inflection(self, request: Request) -> str:
        asked = request.headers.get("key-inflection", "")
        return asked if asked in SPELLINGS else self.server.inflection


def _persona_headers(answer: Answer, pace: Pace | None) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    if answer.signed:
        headers += [
            ("Request-Id", answer.request_id or random_id("req_")),
            ("Persona-Environment-Id", ENVIRONMENT_ID),
            ("Persona-Organization-Id", ORGANIZATION_ID),
        ]
    if pace is None and answer.status == 429:  # forced where nothing is limited
        pace = Pace(FORCED_LIMIT, 0, WINDOW_SECONDS)
    if answer.paced and pace:
        remaining = 0 if answer.status == 429 else pace.remaining
        headers += [
            ("RateLimit-Limit", str(pace.limit)),
            ("RateLimit-Remaining", str(remaining)),
            ("RateLimit-Reset", str(answer.reset_seconds or pace.reset_seconds)),
        ]
    return headers
