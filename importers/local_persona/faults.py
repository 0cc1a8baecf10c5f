"""Misbehaviour on demand: each fault strikes at one stage of a request.

At each stage at most one fault strikes: the one injected first whose pattern fits.
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import Any

from .messages import HTML, JSON, Dropped, Reply, error, rate_limited

ANYTHING = "*"
IMPORT = "POST /importer/list-item/faces"
IMPORTERS = "GET /importers*"
NO_REPLY = Reply(500, "", HTML)

Record = dict[str, Any]


class Stage(Enum):
    """In the order that a request passes them; INSTEAD and RESULT are stored under its key."""

    ARRIVAL = auto()  # its body is not read yet
    GATE = auto()  # authenticated and counted, but its key is not looked up yet
    INSTEAD = auto()  # the fault replaces the execution
    VIEW = auto()  # how importers appear; an import stores it with its importer
    RESULT = auto()  # executed, and the fault replaces the reply before it is stored
    REPLY = auto()  # executed and stored; the fault changes only what is sent


ARRIVAL, GATE, INSTEAD, VIEW, RESULT, REPLY = Stage
STORED = {GATE: INSTEAD, REPLY: RESULT}
NOT_STORED = {INSTEAD: GATE, RESULT: REPLY}


@dataclass(frozen=True)
class Fault:
    """`reply` replaces the true reply, `change` edits it, `view` edits an importer's attributes.

    `where` is a pattern over "METHOD /path"; `times` None means until cleared.
    """

    stage: Stage
    where: str
    description: str
    reply: Reply | None = None
    change: Callable[[Reply], Reply] = lambda reply: reply
    view: Callable[[Record], Record | None] = lambda attributes: attributes
    seconds: float = 0
    kind: str = ""
    times: int | None = 1
    reset_seconds: int | None = None

    def applied(self, true_reply: Reply = NO_REPLY) -> Reply:
        reply = self.reply or self.change(true_reply)
        return replace(reply, reset_seconds=self.reset_seconds) if self.reset_seconds else reply


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def inject(
        self, kind: str, times: int | None = 1, where: str | None = None, *,
        seconds: float | None = None, cached: bool | None = None, reset_seconds: int | None = None,
    ) -> Fault:  # fmt: skip
        """Delay any fault by `seconds`; `cached` decides whether a forced reply is stored."""
        if kind not in FAULTS:
            raise ValueError(f"There is no fault {kind!r}. Known: {', '.join(FAULTS)}.")
        if times is not None and times < 1:
            raise ValueError("A fault strikes at least once: times must be 1 or more.")
        known = FAULTS[kind]
        if cached is not None and not known.reply:
            raise ValueError(f"{kind!r} forces no reply that could be stored.")
        stages = {None: {}, True: STORED, False: NOT_STORED}[cached]
        fault = replace(
            known,
            kind=kind,
            times=times,
            where=where or known.where,
            stage=stages.get(known.stage, known.stage),
            seconds=known.seconds if seconds is None else seconds,
            reset_seconds=reset_seconds,
        )
        with self._lock:
            self._armed.append(fault)
        return fault

    def clear(self, kind: str | None = None) -> None:
        with self._lock:
            self._armed = [f for f in self._armed if kind is not None and f.kind != kind]

    def armed(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(self._armed)

    def strike(self, stage: Stage, place: str) -> Fault | None:
        """Return the fault that strikes here, and count it."""
        with self._lock:
            for index, fault in enumerate(self._armed):
                if fault.stage is stage and fnmatchcase(place, fault.where):
                    if fault.times == 1:
                        del self._armed[index]
                    elif fault.times:
                        self._armed[index] = replace(fault, times=fault.times - 1)
                    return fault
        return None


def _drop(reply: Reply) -> Reply:
    raise Dropped


def _camel(reply: Reply) -> Reply:
    body = re.sub('-([a-z])(?=[a-z-]*":)', lambda found: found[1].upper(), reply.body)
    return replace(reply, body=body)


def _each(edit: Callable[[Record], object]) -> Callable[[Reply], Reply]:
    def change(reply: Reply) -> Reply:
        document = json.loads(reply.body) if reply.content_type == JSON else {}
        data = document.get("data", [])
        for record in data if isinstance(data, list) else [data]:
            edit(record)
        return replace(reply, body=json.dumps(document)) if data else reply

    return change


def _errored(attributes: Record) -> Record:
    is_done = attributes["completed-at"] is not None
    return {**attributes, "status": "errored", **_ZEROS} if is_done else attributes


_IP = "IP address is not permitted access to current environment"
_STALE = "Attempted to update a record that was just modified. Please try again."
_SUCCESSES = "successful-count"
_ZEROS = {"error-count": 0, _SUCCESSES: 0, "duplicate-count": 0}
_PENDING = {"status": "pending", "completed-at": None, **_ZEROS}
_HALF = '{"data":{"type":"importer/list-i'
_NEWS = {"review-state": {"not-documented": True}}
_TOO_BIG = error(422, "File must be under 2 bytes", "/data/attributes/image-files")
_NO_STRING = error(400, "data.attributes.list-id must be a string")
_BARE = replace(rate_limited(300), shows_rate=False)
_GATEWAY = Reply(502, "<html><head><title>502 Bad Gateway</title></head></html>", HTML)

FAULTS: dict[str, Fault] = {
    "unauthorized": Fault(GATE, ANYTHING, "401", error(401, title="Token is invalid")),
    "forbidden": Fault(GATE, ANYTHING, "403", error(403, _IP)),
    "conflict": Fault(GATE, IMPORT, "409", error(409, _STALE)),
    "rate_limited": Fault(GATE, ANYTHING, "429 with RateLimit headers", rate_limited(300)),
    "rate_limited_bare": Fault(GATE, ANYTHING, "429 without RateLimit headers", _BARE),
    "unavailable": Fault(GATE, ANYTHING, "503", error(503)),
    "bad_gateway": Fault(GATE, ANYTHING, "502 with HTML, nothing executed", _GATEWAY),
    "bad_gateway_made": Fault(REPLY, IMPORT, "502 with HTML after the import was made", _GATEWAY),
    "bad_request": Fault(INSTEAD, IMPORT, "400, stored", _NO_STRING),
    "not_found": Fault(INSTEAD, IMPORT, "404, stored", error(404)),
    "unprocessable": Fault(INSTEAD, IMPORT, "422 with a pointer, stored", _TOO_BIG),
    "server_error": Fault(INSTEAD, IMPORT, "500, stored, nothing executed", error(500)),
    "server_error_made": Fault(RESULT, IMPORT, "500, stored, the import made", error(500)),
    "drop_before_body": Fault(ARRIVAL, IMPORT, "cut off before the body is read", change=_drop),
    "drop_unmade": Fault(GATE, IMPORT, "cut off after the body, nothing executed", change=_drop),
    "drop_made": Fault(REPLY, IMPORT, "cut off after the import was made", change=_drop),
    "late": Fault(ARRIVAL, IMPORT, "executed 10 s later", seconds=10),
    "slow": Fault(REPLY, ANYTHING, "executed at once, answered 10 s late", seconds=10),
    "broken_json": Fault(REPLY, IMPORT, "executed, 200 with half a JSON document",
                         change=lambda reply: replace(reply, status=200, body=_HALF)),
    "no_id": Fault(REPLY, IMPORT, "executed, answered without an id",
                   change=_each(lambda record: record.pop("id"))),
    "camel": Fault(REPLY, ANYTHING, "camelCase keys, although not requested", change=_camel),
    "new_attribute": Fault(REPLY, ANYTHING, "an undocumented attribute",
                           change=_each(lambda record: record["attributes"].update(_NEWS))),
    "stuck": Fault(VIEW, IMPORTERS, "importers stay pending",
                   view=lambda seen: {**seen, **_PENDING}),
    "errored": Fault(VIEW, IMPORTERS, "importers end as errored", view=_errored),
    "unknown_status": Fault(VIEW, IMPORTERS, "importers have an undocumented status",
                            view=lambda seen: {**seen, "status": "under-review"}),
    "odd_counts": Fault(VIEW, IMPORTERS, "counts exceed the number of files by 7",
                        view=lambda seen: {**seen, _SUCCESSES: seen[_SUCCESSES] + 7}),
    "gone": Fault(VIEW, IMPORTERS, "importers are not found", view=lambda seen: None),
}  # fmt: skip
