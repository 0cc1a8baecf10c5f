"""The server, and the path of a request: key, rate limit, idempotency, execution, faults."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil, inf
from pathlib import Path
from typing import NamedTuple, Self

from .bodies import Body, parse
from .faults import Fault, Faults, Stage
from .messages import JSON, ROOT, Reply, SeenRequest, error, rate_limited
from .routes import FACE_LIST, Call
from .store import LedgerEntry, Store, random_id
from .transport import HOST, Headers, Server

DEFAULT_KEY = "persona_sandbox_local"
STOP_POLL_SECONDS = 0.02
REQUESTS_KEPT = 10_000
SEEDS = (
    ("list/email-address", "Blocked email addresses", False),
    (FACE_LIST, "Old watch list", True),
    (FACE_LIST, "Watch list", False),
    (FACE_LIST, "Confirmed fraud", False),
)
KEY_REUSED = (
    "Keys for idempotent requests can only be used with the same parameters they were first "
    "used with. Try using a key other than '{}' if you meant to execute a different request."
)
ENVIRONMENT = {
    "Persona-Environment-Id": "env_LocaLPersonaStandsLocaL1",
    "Persona-Organization-Id": "org_LocaLPersonaStandsLocaL1",
}


class Rate(NamedTuple):
    limit: int
    remaining: int  # below zero: the limit is exceeded
    reset_seconds: int


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
        self.key, self.faults = self.api_key, Faults()
        self._lock, self._window_ends_at, self._used = threading.Lock(), -inf, 0
        self._log: deque[SeenRequest] = deque(maxlen=REQUESTS_KEPT)
        self._in_flight: dict[tuple[str, object], object] = {}
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Raise OSError if the port is in use, sqlite3.Error if the state cannot be read."""
        self._stopping.clear()
        self._server = Server(self.port, self.clock, self._respond)
        try:
            self._store = Store(self.state)
        except BaseException:
            self._server.server_close()
            raise
        if self.seed and not self._store.page("lists", 1):
            for kind, name, archived in SEEDS:
                self.add_list(name, archived, kind)
        self.url = f"http://{HOST}:{self._server.server_address[1]}{ROOT}"
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(STOP_POLL_SECONDS,))
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._store.close()

    def add_list(self, name: str, archived: bool = False, kind: str = FACE_LIST) -> str:
        now = self.clock()
        times = {"created_at": now, "updated_at": now, "archived_at": now if archived else None}
        [row] = self._store.insert("lists", id=random_id("lst_"), type=kind, name=name, **times)
        return str(row["id"])

    def ledger(self) -> list[LedgerEntry]:
        """Return the imports that were made, oldest first."""
        return self._store.ledger()

    def requests(self) -> list[SeenRequest]:
        """Return the requests that arrived, oldest first."""
        return list(self._log)

    def _respond(self, request: SeenRequest, read: Callable[[], bytes]) -> tuple[Reply, Headers]:
        """Raise Dropped to end the connection without a reply."""
        self._log.append(request)
        if fault := self._strike(Stage.ARRIVAL, request):
            fault.applied()
        raw = read()
        refusal = self._unauthorized(request)
        rate = None if refusal else self._rate()
        if rate and rate.remaining < 0:
            refusal = rate_limited(rate.limit)
        reply = refusal or self._once(request, raw)
        request.status = reply.status
        return reply, _headers(reply, rate)

    def _strike(self, stage: Stage, request: SeenRequest) -> Fault | None:
        fault = self.faults.strike(stage, request.place)
        if fault and fault.seconds:
            (self.pause or self._stopping.wait)(fault.seconds)
        return fault

    def _unauthorized(self, request: SeenRequest) -> Reply | None:
        given = request.headers.get("authorization", "")
        if given == f"Bearer {self.key}":
            return None
        missing = "Must be authenticated to access this endpoint"
        return error(401, title="Token is invalid" if given else missing)

    def _rate(self) -> Rate | None:
        """Count the request in a fixed window, which starts with its first request."""
        if self.rate_limit is None:
            return None
        with self._lock:
            now = self.clock()
            if now >= self._window_ends_at:
                self._window_ends_at, self._used = now + self.window_seconds, 0
            self._used += 1
            left = max(1, ceil(self._window_ends_at - now))
            return Rate(self.rate_limit, self.rate_limit - self._used, left)

    def _once(self, request: SeenRequest, raw: bytes) -> Reply:
        if fault := self._strike(Stage.GATE, request):
            return fault.applied()
        body = parse(request.headers.get("content-type", ""), raw)
        own = object()
        slot = request.path, request.key or own
        if self._in_flight.setdefault(slot, own) is not own:  # setdefault is atomic
            return error(409, "A request with this Idempotency-Key is still in progress")
        try:
            reply = self._replay(request, body) or self._execute(request, body)
            fault = self._strike(Stage.REPLY, request)
            return fault.applied(reply) if fault else reply
        finally:
            del self._in_flight[slot]

    def _replay(self, request: SeenRequest, body: Body) -> Reply | None:
        stored = self._store.reply(request) if request.key else None
        if stored is None:
            return None
        reply, fingerprint = stored
        if fingerprint == body.fingerprint:
            return reply
        return error(400, KEY_REUSED.format(request.key), title="Idempotency error")

    def _execute(self, request: SeenRequest, body: Body) -> Reply:
        if fault := self._strike(Stage.INSTEAD, request):
            return self._keep(request, body, fault.applied())
        view = self._strike(Stage.VIEW, request)
        result = self._strike(Stage.RESULT, request)
        call = Call(self._store, self.delay, request, body, view.kind if view else None)
        with self._store.transaction():
            reply = call.reply()
            return self._keep(request, body, result.applied(reply) if result else reply)

    def _keep(self, request: SeenRequest, body: Body, reply: Reply) -> Reply:
        reply = replace(reply, request_id=random_id("req_"))
        if request.key:
            self._store.keep_reply(request, reply, body.fingerprint)
        return reply


def _headers(reply: Reply, rate: Rate | None) -> Headers:
    """Return Persona's own headers. A refusal of the key and a proxy's page have none."""
    if reply.status == 401 or reply.content_type != JSON:
        return {}
    headers = {"Request-Id": reply.request_id or random_id("req_"), **ENVIRONMENT}
    if reply.status == 429:  # a forced one has headers even if nothing is limited
        rate = rate._replace(remaining=0) if rate else Rate(300, 0, 60)
    if reply.shows_rate and rate:
        headers["RateLimit-Limit"] = str(rate.limit)
        headers["RateLimit-Remaining"] = str(max(0, rate.remaining))
        headers["RateLimit-Reset"] = str(reply.reset_seconds or rate.reset_seconds)
    return headers
