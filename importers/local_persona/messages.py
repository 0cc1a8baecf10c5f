"""A request as it arrived, and the replies in Persona's words."""

import json
from dataclasses import dataclass, field
from typing import Any

ROOT = "/api/v1"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TITLES = {
    400: "Bad Request", 403: "Forbidden", 404: "Record not found", 409: "Conflict",
    422: "Unprocessable entity", 429: "Rate limit exceeded", 500: "Internal server error",
    503: "Service unavailable",
}  # fmt: skip


@dataclass
class SeenRequest:
    """`status` is None while unanswered, and stays None if the connection was dropped."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    time: float
    status: int | None = None

    @property
    def place(self) -> str:
        return f"{self.method} {self.path.removeprefix(ROOT)}"

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "") if self.method == "POST" else ""


@dataclass(frozen=True)
class Reply:
    status: int
    body: str
    content_type: str = JSON
    request_id: str = ""  # empty: a new one when it is sent
    shows_rate: bool = True
    reset_seconds: int | None = None  # None: the rest of the window


class Dropped(ConnectionError):
    """The connection ends here, without a reply."""


def document(status: int, **content: Any) -> Reply:
    return Reply(status, json.dumps(content))


def error(status: int, details: str = "", pointer: str = "", title: str = "") -> Reply:
    problem: dict[str, Any] = {"title": title or TITLES[status]}
    if details:
        problem["details"] = details
    if pointer:
        problem["source"] = {"pointer": pointer}
    return document(status, errors=[problem])


def rate_limited(limit: int) -> Reply:
    details = f"You have hit your rate limit of {limit} requests / min. "
    details += "Please reach out to support@withpersona.com if you need this changed."
    return error(429, details)
