"""Who may come in, and what they were told before: key, rate limit, idempotency."""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .answers import Answer, Refused, conflict, key_reused, rate_limited, unauthorized
from .faults import FaultBox, Stage
from .routes import Api, Request
from .store import random_id
from .traffic import KeysInFlight, RateWindow

MISSING_KEY = "Must be authenticated to access this endpoint"


@dataclass(frozen=True)
class Desk:
    api: Api
    faults: FaultBox
    window: RateWindow
    in_flight: KeysInFlight
    api_key: str = field(repr=False)
    pause: Callable[[float], object]

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/files/") and request.method == "GET":
            return self.api.photo(request)
        refusal = self._unauthorized(request) or self._limited(request)
        refusal = refusal or self._forced(Stage.GATE, request)
        return self._last_word(request, refusal) if refusal else self._once(request)

    def arrival(self, request: Request) -> None:
        self._forced(Stage.ARRIVAL, request)

    def _unauthorized(self, request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        if not given:
            return unauthorized(MISSING_KEY)
        expected = f"Bearer {self.api_key}"
        same = hmac.compare_digest(given.encode(), expected.encode())
        return None if same else unauthorized("Token is invalid")

    def _limited(self, request: Request) -> Answer | None:
        request.pace = self.window.count()
        over = request.pace is not None and request.pace.exceeded
        return rate_limited(request.pace.limit) if request.pace and over else None

    def _forced(
        self, stage: Stage, request: Request, before: Answer | None = None
    ) -> Answer | None:
        fault = self.faults.take(stage, request.place)
        if fault is None:
            return before
        if fault.seconds:
            self.pause(fault.seconds)
        return fault.answer(before)

    def _last_word(self, request: Request, answer: Answer) -> Answer:
        return self._forced(Stage.ANSWER, request, answer) or answer

    def _once(self, request: Request) -> Answer:
        slot = (request.path, request.key) if request.key else None
        with self.in_flight.hold(slot) as mine:
            if not mine:
                return conflict("A request with this Idempotency-Key is still in progress")
            return self._last_word(request, self._replay(request) or self._first(request))

    def _replay(self, request: Request) -> Answer | None:
        if not request.key:
            return None
        told = self.api.store.reply(request.path, request.key, request.at)
        if told is None:
            return None
        if told["fingerprint"] != request.body.fingerprint:
            return key_reused(request.key)
        return Answer(told["status"], json.loads(told["body"]), request_id=told["request_id"])

    def _first(self, request: Request) -> Answer:
        forced = self._forced(Stage.INSIDE, request)
        if forced is None:
            self._look(request)
            _ = request.decodable
        if request.method == "GET":
            return forced or self._executed(request)
        with self.api.store.transaction():
            answer = replace(forced or self._executed(request), request_id=random_id("req_"))
            self._remember(request, answer)
        return answer

    def _look(self, request: Request) -> None:
        fault = self.faults.take(Stage.LOOKS, request.place)
        if fault and fault.seconds:
            self.pause(fault.seconds)
        request.look = fault.kind if fault else None

    def _executed(self, request: Request) -> Answer:
        try:
            return self.api.answer(request)
        except Refused as refusal:
            return refusal.answer

    def _remember(self, request: Request, answer: Answer) -> None:
        if request.key and answer.request_id:
            self.api.store.keep_reply(
                place=request.path,
                key=request.key,
                fingerprint=request.body.fingerprint,
                status=answer.status,
                body=json.dumps(answer.body),
                request_id=answer.request_id,
                created_at=request.at,
            )
