"""Persona's answers, read into our own words. A malformed one raises an error of MALFORMED.

Nothing that Persona says may end a worker, so everything returned from here can be stored: text is
cleaned and truncated, and numbers and times are bounded.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, NamedTuple

from importers.persona import errors

HIGHEST_COUNT = 2**31 - 1  # the most that a column of ours holds
LONGEST_RESET_SECONDS = 3600  # Persona's limit is one per minute (docs: /rate-limiting)
YEARS = range(2000, 2100)  # any other year is an error, and could not be calculated with
UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")  # PostgreSQL refuses NUL; UTF-8 has no surrogates
FACE_LIST, FACE_IMPORTERS = "list/face", ("importer/list-item/face", "importer/face")
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class Status(Enum):
    """An importer's status. Persona may add values at any time (docs: /versioning)."""

    PENDING = "pending"
    READY = "ready"
    ERRORED = "errored"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Importer:
    """Persona's importer. Nothing says that the counts add up to the number of files.

    A count is None if Persona leaves it out: a key can be configured to hide attributes.
    """

    id: str
    status: Status
    raw_status: str
    created_at: datetime | None
    completed_at: datetime | None
    successful_count: int | None
    duplicate_count: int | None
    error_count: int | None


class ImportersPage(NamedTuple):
    """The face importers of a page, the next page's cursor, and when its oldest row was created."""

    faces: list[Importer]
    next: str | None
    oldest: datetime | None


@dataclass(frozen=True)
class PersonaList:
    id: str
    type: str
    name: str
    archived: bool


@dataclass(frozen=True)
class RateLimit:
    """RateLimit-Limit, -Remaining, -Reset: requests, requests, seconds from now."""

    limit: int
    remaining: int
    reset_seconds: int


def parse[T](
    status: int, headers: Mapping[str, str], content: bytes, read: Callable[[Any], T]
) -> T:
    """Return what `read` makes of a 2xx answer's JSON.

    Raises the error of a refusal, or Unreadable if `read` cannot make sense of the answer.
    """
    if not 200 <= status < 300:
        raise refusal(status, headers, content)
    try:
        return read(json.loads(content))
    except MALFORMED as error:
        raise errors.Unreadable(
            f"Persona's answer ({status}) could not be read.",
            status=status,
            request_id=request_id(headers),
        ) from error


def refusal(status: int, headers: Mapping[str, str], content: bytes) -> errors.PersonaError:
    """Return the error for a status other than 2xx, with Persona's words if it gave any."""
    first = _first_error(content)
    kind = errors.BY_STATUS.get(status)
    if kind is None:
        kind = errors.Refused if 400 <= status < 500 else errors.ServerTrouble
    if status == 400 and first.get("title") == "Idempotency error":
        kind = errors.KeyReused
    summary = f"Persona answered {status}."
    if status >= 500:
        summary = f"Persona is temporarily unavailable ({status})."
    error = kind(
        summary,
        status=status,
        request_id=request_id(headers),
        title=_text(first.get("title"), 300),
        detail=_text(first.get("details"), 2000),
        pointer=_pointer(first),
    )
    if isinstance(error, errors.RateLimited) and (limit := rate_limit(headers)):
        error.wait_seconds = limit.reset_seconds
    return error


def _first_error(content: bytes) -> dict[str, Any]:
    """Return the first of Persona's errors, or nothing: a proxy in front of it answers in HTML."""
    try:
        first = json.loads(content)["errors"][0]
    except (*MALFORMED, IndexError):
        return {}
    return first if isinstance(first, dict) else {}


def _pointer(error: dict[str, Any]) -> str:
    source = error.get("source")
    return _text(source.get("pointer"), 300) if isinstance(source, dict) else ""


def request_id(headers: Mapping[str, str]) -> str:
    return _text(headers.get("Request-Id"), 100)


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Return the limit that an answer's headers report, if they do (docs: /rate-limiting).

    If one of them is no sane number, none of them counts.
    """
    reported = [headers.get(f"RateLimit-{name}", "") for name in ("Limit", "Remaining", "Reset")]
    if not all(re.fullmatch("[0-9]{1,7}", value) for value in reported):
        return None
    limit, remaining, reset_seconds = map(int, reported)
    return RateLimit(limit, remaining, min(reset_seconds, LONGEST_RESET_SECONDS))


def date(headers: Mapping[str, str]) -> datetime | None:
    """Return when the answer was sent by Persona's clock, to the second (RFC 9110, 6.6.1)."""
    try:
        return _usable(parsedate_to_datetime(headers["Date"]))
    except (*MALFORMED, IndexError):
        return None


def importer(body: Any) -> Importer:
    data = body["data"]
    attributes = _kebab(data["attributes"])
    raw_status = _text(attributes.get("status"), 100)
    return Importer(
        id=_id(data),
        status=Status(raw_status) if raw_status in Status else Status.UNKNOWN,
        raw_status=raw_status,
        created_at=_time(attributes.get("created-at")),
        completed_at=_time(attributes.get("completed-at")),
        successful_count=_count(attributes.get("successful-count")),
        duplicate_count=_count(attributes.get("duplicate-count")),
        error_count=_count(attributes.get("error-count")),
    )


def importers_page(body: Any) -> ImportersPage:
    rows = body["data"]
    if not rows:
        return ImportersPage([], None, None)
    faces = [importer({"data": row}) for row in rows if row["type"] in FACE_IMPORTERS]
    following = _id(rows[-1]) if body["links"]["next"] else None
    return ImportersPage(faces, following, _time(_kebab(rows[-1]["attributes"]).get("created-at")))


def persona_list(body: Any) -> PersonaList:
    return _list_row(body["data"])


def _list_row(row: Any) -> PersonaList:
    attributes = _kebab(row["attributes"])
    archived = attributes.get("status") == "archived" or bool(attributes.get("archived-at"))
    return PersonaList(
        _id(row), _text(row["type"], 100), _text(attributes.get("name"), 200), archived
    )


def lists_page(body: Any) -> tuple[list[PersonaList], str | None]:
    """Return a page and the cursor of the next one, which is None after the last."""
    rows = [_list_row(row) for row in body["data"]]
    return rows, rows[-1].id if rows and body["links"]["next"] else None


def _kebab(attributes: dict[str, Any]) -> dict[str, Any]:
    """Spell names as we ask for them: a key's own setting may win (docs: /api-key-inflection)."""
    return {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).replace("_", "-").lower(): value
        for name, value in attributes.items()
    }


def _text(value: Any, longest: int) -> str:
    """Return the value as text that can be stored, or "" if it is no text or number."""
    if not isinstance(value, str | int | float):
        return ""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", str(value or "")[:longest])


def _id(row: Any) -> str:
    if not isinstance(row["id"], str) or not 0 < len(row["id"]) <= 100:
        raise ValueError("An ID is a string of at most 100 characters.")
    if UNSTORABLE.search(row["id"]):
        raise ValueError("An ID holds no NUL and no surrogate.")
    return row["id"]


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if not 0 <= int(value) <= HIGHEST_COUNT:
        raise ValueError("A count must be a number that can be stored.")
    return int(value)


def _time(value: str | None) -> datetime | None:
    return _usable(datetime.fromisoformat(value)) if value else None


def _usable(moment: datetime) -> datetime | None:
    """Return the time, or None if it cannot be compared with ours: then it counts as hidden."""
    return moment if moment.tzinfo and moment.year in YEARS else None
