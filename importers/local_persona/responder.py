"""The way of a request: its key, the rate limit, idempotency, execution, and faults between."""

import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import NamedTuple

from . import bodies
from .faults import Fault, Faults, Stage
from .messages import JSON, Reply, SeenRequest, error, rate_limited
from .routes import Api, Call
from .store import random_id

KEY_REUSED = (
    "Keys for idempotent requests can only be used with the same parameters they were first "
    "used with. Try using a key other than '{}' if you meant to execute a different request."
)
ENVIRONMENT = {
    "Persona-Environment-Id": "env_LocaLPersonaStandsLocaL1",
    "Persona-Organization-Id": "org_LocaLPersonaStandsLocaL1",
}
Answer = tuple[Reply, dict[str, str]]  # with Persona's own headers


class Rate(NamedTuple):
    limit: int
    remaining: int  # below zero: the limit is exceeded
    reset_seconds: int


FORCED_RATE = Rate(300, 0, 60)  # of a forced 429 where nothing is limited


class RateWindow:
    """A fixed window that starts with its first request."""

    def __init__(self, limit: int | None, seconds: float, clock: Callable[[], float]) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._lock, self._ends_at, self._used = threading.Lock(), -inf, 0

    def count(self) -> Rate | None:
        if self._limit is None:
            return None
        with self._lock:
            now = self._clock()
            if now >= self._ends_at:
                self._ends_at, self._used = now + self._seconds, 0
            self._used += 1
            return Rate(self._limit, self._limit - self._used, max(1, ceil(self._ends_at - now)))


@dataclass(frozen=True)
class Responder:
    api: Api
    faults: Faults
    window: RateWindow
    api_key: str = field(repr=False)
    pause: Callable[[float], object]
    in_flight: dict[tuple[str, object], object] = field(default_factory=dict)

    def respond(self, request: SeenRequest, read: Callable[[], bytes]) -> Answer:
        """Raise Dropped to end the connection."""
        if fault := self._strike(Stage.ARRIVAL, request):
            fault.applied()
        raw = read()
        refusal = self._unauthorized(request)
        rate = None if refusal else self.window.count()
        if rate and rate.remaining < 0:
            refusal = rate_limited(rate.limit)
        reply = refusal or self._once(request, raw)
        return reply, _headers(reply, rate)

    def _strike(self, stage: Stage, request: SeenRequest) -> Fault | None:
        fault = self.faults.strike(stage, request.place)
        if fault and fault.seconds:
            self.pause(fault.seconds)
        return fault

    def _unauthorized(self, request: SeenRequest) -> Reply | None:
        given = request.headers.get("authorization", "")
        if not given:
            return error(401, title="Must be authenticated to access this endpoint")
        is_right = hmac.compare_digest(given.encode(), f"Bearer {self.api_key}".encode())
        return None if is_right else error(401, title="Token is invalid")

    def _once(self, request: SeenRequest, raw: bytes) -> Reply:
        if fault := self._strike(Stage.GATE, request):
            return fault.applied()
        body = bodies.parse(request.headers.get("content-type", ""), raw)
        own = object()
        slot = request.path, request.key or own
        if self.in_flight.setdefault(slot, own) is not own:  # setdefault is atomic
            return error(409, "A request with this Idempotency-Key is still in progress")
        try:
            reply = self._replay(request, body) or self._execute(request, body)
            fault = self._strike(Stage.REPLY, request)
            return fault.applied(reply) if fault else reply
        finally:
            del self.in_flight[slot]

    def _replay(self, request: SeenRequest, body: bodies.Body) -> Reply | None:
        stored = self.api.store.reply(request) if request.key else None
        if stored is None:
            return None
        reply, fingerprint = stored
        if fingerprint == body.fingerprint:
            return reply
        return error(400, KEY_REUSED.format(request.key), title="Idempotency error")

    def _execute(self, request: SeenRequest, body: bodies.Body) -> Reply:
        if fault := self._strike(Stage.INSTEAD, request):
            return self._stored(request, body, fault.applied())
        view = self._strike(Stage.VIEW, request)
        result = self._strike(Stage.RESULT, request)
        with self.api.store.transaction():
            reply = self.api.execute(Call(request, body, view.kind if view else None))
            return self._stored(request, body, result.applied(reply) if result else reply)

    def _stored(self, request: SeenRequest, body: bodies.Body, reply: Reply) -> Reply:
        reply = replace(reply, request_id=random_id("req_"))
        if request.key:
            self.api.store.keep_reply(request, reply, body.fingerprint)
        return reply


def _headers(reply: Reply, rate: Rate | None) -> dict[str, str]:
    if reply.status == 401 or reply.content_type != JSON:
        return {}
    headers = {"Request-Id": reply.request_id or random_id("req_"), **ENVIRONMENT}
    if reply.status == 429:  # also one that is forced
        rate = rate._replace(remaining=0) if rate else FORCED_RATE
    if reply.shows_rate and rate:
        headers["RateLimit-Limit"] = str(rate.limit)
        headers["RateLimit-Remaining"] = str(max(0, rate.remaining))
        headers["RateLimit-Reset"] = str(reply.reset_seconds or rate.reset_seconds)
    return headers
