import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any  # JSON data with kebab keys, or bytes that are sent as they are
    content_type: str = JSON
    signed: bool = True  # with Request-Id, environment and organisation
    paced: bool = True  # with RateLimit-*
    inflection: str | None = None  # None: as the request asked
    request_id: str | None = None  # of the first answer, in a replay
    reset_seconds: int | None = None  # None: what is left of the window

    def rendered(self, asked_inflection: str) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(inflected(self.body, self.inflection or asked_inflection)).encode()


class Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Dropped(Exception):
    """The connection ends here, with no answer."""


def error(
    status: int, title: str, details: str | None = None, pointer: str | None = None
) -> Answer:
    problem: dict[str, Any] = {"title": title}
    if details is not None:
        problem["details"] = details
    if pointer is not None:
        problem["source"] = {"pointer": pointer}
    return Answer(status, {"errors": [problem]})


def bad_request(details: str) -> Answer:
    return error(400, "Bad Request", details)


def unauthorized(title: str) -> Answer:
    return Answer(401, {"errors": [{"title": title}]}, signed=False, paced=False)


def not_found() -> Answer:
    return error(404, "Record not found")


def conflict(details: str) -> Answer:
    return error(409, "Conflict", details)


def unprocessable(details: str, pointer: str) -> Answer:
    return error(422, "Unprocessable entity", details, pointer)


def rate_limited(limit: int) -> Answer:
    details = (
        f"You have hit your rate limit of {limit} requests / min. "
        "Please reach out to support@withpersona.com if you need this changed."
    )
    return error(429, "Rate limit exceeded", details)


def key_reused(key: str) -> Answer:
    details = (
        "Keys for idempotent requests can only be used with the same parameters they were "
        f"first used with. Try using a key other than '{key}' if you meant to execute a "
        "different request."
    )
    return error(400, "Idempotency error", details)


def kebab(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", key).lower().replace("_", "-")


def _camel(key: str) -> str:
    return re.sub(r"-(\w)", lambda found: found[1].upper(), key)


def _snake(key: str) -> str:
    return key.replace("-", "_")


SPELLINGS: dict[str, Callable[[str], str]] = {"kebab": str, "camel": _camel, "snake": _snake}


def inflected(data: Any, inflection: str) -> Any:
    if isinstance(data, list):
        return [inflected(item, inflection) for item in data]
    if isinstance(data, dict):
        spell = SPELLINGS[inflection]
        return {spell(key): inflected(value, inflection) for key, value in data.items()}
    return data
