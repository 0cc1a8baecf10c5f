"""Misbehaviour on demand. Each kind of fault strikes at one stage of a request:

arrival → (401, rate limit) → gate → idempotency → inside (stored) → looks → answer

One fault strikes per stage and request: the one injected first.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Any

from .answers import (
    HTML,
    Answer,
    Dropped,
    bad_request,
    conflict,
    error,
    not_found,
    rate_limited,
    unauthorized,
    unprocessable,
)

ANYTHING = "*"
IMPORT = "POST /importer/list-item/faces"
IMPORTERS = "GET /importers*"


class Stage(Enum):
    ARRIVAL = auto()
    GATE = auto()
    INSIDE = auto()
    LOOKS = auto()
    ANSWER = auto()


Look = dict[str, Any]
AnswerEffect = Callable[[Answer | None], Answer]
LookEffect = Callable[[Look], Look | None]


@dataclass(frozen=True)
class Kind:
    stage: Stage
    where: str
    says: str
    answer: AnswerEffect | None = None
    look: LookEffect | None = None
    seconds: float = 0


@dataclass(frozen=True)
class Fault:
    """`where` is a pattern over "METHOD /path"; `times` None means until cleared.

    Every fault may be late by `seconds`. `cached` moves a forced answer behind the
    idempotency key (True: stored and replayed) or before it (False).
    """

    kind: str
    times: int | None
    where: str
    seconds: float
    cached: bool | None = None
    reset_seconds: int | None = None

    @property
    def stage(self) -> Stage:
        stage = FAULTS[self.kind].stage
        if self.cached is None or stage not in (Stage.GATE, Stage.INSIDE):
            return stage
        return Stage.INSIDE if self.cached else Stage.GATE

    def hits(self, stage: Stage, place: str) -> bool:
        return stage is self.stage and fnmatchcase(place, self.where)

    def spent(self) -> "Fault | None":
        if self.times is None:
            return self
        return replace(self, times=self.times - 1) if self.times > 1 else None

    def answer(self, before: Answer | None = None) -> Answer:
        effect = FAULTS[self.kind].answer
        if effect is None:
            raise ValueError(f"{self.kind} does not answer")
        after = effect(before)
        return replace(after, reset_seconds=self.reset_seconds) if self.reset_seconds else after


class FaultBox:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def inject(
        self,
        kind: str,
        times: int | None = 1,
        where: str | None = None,
        *,
        seconds: float | None = None,
        cached: bool | None = None,
        reset_seconds: int | None = None,
    ) -> Fault:
        if kind not in FAULTS:
            raise ValueError(f"There is no fault {kind!r}. Known: {', '.join(FAULTS)}.")
        if times is not None and times < 1:
            raise ValueError("A fault strikes at least once: times must be 1 or more.")
        known = FAULTS[kind]
        late = known.seconds if seconds is None else seconds
        fault = Fault(kind, times, where or known.where, late, cached, reset_seconds)
        with self._lock:
            self._armed.append(fault)
        return fault

    def clear(self, kind: str | None = None) -> None:
        with self._lock:
            self._armed = [f for f in self._armed if kind is not None and f.kind != kind]

    def armed(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(self._armed)

    def take(self, stage: Stage, place: str) -> Fault | None:
        with self._lock:
            for index, fault in enumerate(self._armed):
                if fault.hits(stage, place):
                    left = fault.spent()
                    self._armed[index : index + 1] = [left] if left else []
                    return fault
        return None


def look_through(fate: str | None, attributes: Look) -> Look | None:
    effect = FAULTS[fate].look if fate else None
    return effect(attributes) if effect else attributes


def _always(answer: Answer) -> AnswerEffect:
    return lambda before: answer


def _drop(before: Answer | None) -> Answer:
    raise Dropped


def _as_it_is(before: Answer | None) -> Answer:
    return before or Answer(500, b"")


def _records(body: Any) -> list[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    found = data if isinstance(data, list) else [data]
    return [record for record in found if isinstance(record, dict)]


def _each_record(change: Callable[[dict[str, Any]], dict[str, Any]]) -> AnswerEffect:
    def effect(before: Answer | None) -> Answer:
        answer = _as_it_is(before)
        changed = [change(record) for record in _records(answer.body)]
        if not changed:
            return answer
        data = changed if isinstance(answer.body["data"], list) else changed[0]
        return replace(answer, body={**answer.body, "data": data})

    return effect


def _without_id(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "id"}


def _with_news(record: dict[str, Any]) -> dict[str, Any]:
    news = {"review-state": {"not-in-any-paper": True}}
    return {**record, "attributes": {**record.get("attributes", {}), **news}}


def _broken(before: Answer | None) -> Answer:
    return replace(_as_it_is(before), status=200, body=b'{"data":{"type":"importer/list-i')


def _camel(before: Answer | None) -> Answer:
    return replace(_as_it_is(before), inflection="camel")


def _stuck(look: Look) -> Look:
    counts = {"error-count": 0, "successful-count": 0, "duplicate-count": 0}
    return {**look, "status": "pending", "completed-at": None, **counts}


def _errored(look: Look) -> Look:
    done_at = look["completed-at"]
    return {**_stuck(look), "status": "errored", "completed-at": done_at} if done_at else look


def _unknown_status(look: Look) -> Look:
    return {**look, "status": "under-review"}


def _odd_counts(look: Look) -> Look:
    return {**look, "successful-count": look["successful-count"] + 7}


def _gone(look: Look) -> Look | None:
    return None


def _gateway(status: int, words: str) -> Answer:
    page = f"<html><head><title>{status} {words}</title></head><body></body></html>"
    return Answer(status, page.encode(), HTML, signed=False, paced=False)


def _gate(says: str, answer: Answer, where: str = ANYTHING) -> Kind:
    return Kind(Stage.GATE, where, says, answer=_always(answer))


def _inside(says: str, answer: Answer) -> Kind:
    return Kind(Stage.INSIDE, IMPORT, says + "; stored under the key", answer=_always(answer))


def _look(says: str, effect: LookEffect) -> Kind:
    return Kind(Stage.LOOKS, IMPORTERS, says, look=effect)


def _after(says: str, effect: AnswerEffect, where: str = ANYTHING, seconds: float = 0) -> Kind:
    return Kind(Stage.ANSWER, where, says, answer=effect, seconds=seconds)


_NO_IP = "IP address is not permitted access to current environment"
_STALE = "Attempted to update a record that was just modified. Please try again."
_TOO_BIG = unprocessable("File must be under 2 bytes", "/data/attributes/image-files")
_LIMITED = rate_limited(300)
_BAD_GATEWAY = _gateway(502, "Bad Gateway")

FAULTS: dict[str, Kind] = {
    "unauthorized": _gate("401, the key is refused", unauthorized("Token is invalid")),
    "forbidden": _gate("403", error(403, "Forbidden", _NO_IP)),
    "conflict": _gate("409", conflict(_STALE), IMPORT),
    "rate_limited": _gate("429 with RateLimit headers", _LIMITED),
    "rate_limited_bare": _gate("429 without RateLimit headers", replace(_LIMITED, paced=False)),
    "unavailable": _gate("503", error(503, "Service unavailable")),
    "bad_gateway": _gate("502 with HTML, the request not executed", _BAD_GATEWAY),
    "bad_request": _inside("400", bad_request("data.attributes.list-id must be a string")),
    "not_found": _inside("404", not_found()),
    "unprocessable": _inside("422 with a pointer", _TOO_BIG),
    "server_error": _inside("500", error(500, "Internal server error")),
    "drop_before_body": Kind(
        Stage.ARRIVAL, IMPORT, "the connection ends before the body is read", answer=_drop
    ),
    "drop_unmade": Kind(
        Stage.GATE, IMPORT, "the connection ends after the body, nothing executed", answer=_drop
    ),
    "drop_made": _after("the connection ends after the import was made", _drop, IMPORT),
    "bad_gateway_made": _after(
        "502 with HTML after the import was made", _always(_BAD_GATEWAY), IMPORT
    ),
    "slow": _after("executed at once, answered late (10 s)", _as_it_is, seconds=10),
    "broken_json": _after("executed, answered 200 with half a JSON document", _broken, IMPORT),
    "no_id": _after("executed, answered without an id", _each_record(_without_id), IMPORT),
    "camel": _after("camelCase keys, whatever was asked", _camel),
    "new_attribute": _after("an attribute in no paper", _each_record(_with_news)),
    "stuck": _look("importers stay pending", _stuck),
    "errored": _look("importers end as errored", _errored),
    "unknown_status": _look("importers have a status in no paper", _unknown_status),
    "odd_counts": _look("counts exceed the number of files by 7", _odd_counts),
    "gone": _look("importers are not found and leave the index", _gone),
}
