"""Persona's words in, ours out. The only module that speaks HTTP; it knows no Django.

Every call is one request: nothing is retried here, since only the caller knows what a second
request would cost. `trust_env=False` keeps proxies and ~/.netrc from replacing our header,
redirects are not followed (they would carry faces elsewhere), and TLS is always verified.
"""

import io
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from urllib.parse import quote, urlencode

import requests
from urllib3 import encode_multipart_formdata
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.fields import RequestField

from importers.persona import errors

CONNECT_TIMEOUT_SECONDS = 5
LONGEST_ANSWER_BYTES = 5_000_000
PAGE_SIZE = 100
MOST_COUNTED = 2**31 - 1
FACE_LIST, FACE_IMPORTERS = "list/face", ("importer/list-item/face", "importer/face")
STRANGE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class Status(Enum):
    """An importer's status. Persona may add values at any time (docs: /versioning)."""

    PENDING = "pending"
    READY = "ready"
    ERRORED = "errored"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Importer:
    """Persona's importer. Nothing says that the counts add up to the number of files.

    A count is None where Persona tells none: a key can be set to leave attributes out.
    """

    id: str
    status: Status
    raw_status: str
    created_at: datetime | None
    completed_at: datetime | None
    successful_count: int | None
    duplicate_count: int | None
    error_count: int | None


@dataclass(frozen=True)
class PersonaList:
    id: str
    type: str
    name: str
    archived: bool


@dataclass(frozen=True)
class ImageFile:
    """`name` is what Persona shows beside the face; `content_type` is image/jpeg or image/png."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class RateLimit:
    """RateLimit-Limit, -Remaining, -Reset: requests, requests, seconds from now."""

    limit: int
    remaining: int
    reset_seconds: int


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it; `status` is None where no answer came. Never a body."""

    method: str
    path: str
    seconds: float
    status: int | None = None
    request_id: str = ""
    rate_limit: RateLimit | None = None
    error: errors.PersonaError | None = None


class Client:
    """Persona's API for one key. Each method raises an `errors.PersonaError`."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        version: str,
        timeout_seconds: float,
        on_exchange: Callable[[Exchange], None] = lambda exchange: None,
    ) -> None:
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._on_exchange = on_exchange
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update(
            {
                "Authorization": f"Bearer {api_key}",
                "Persona-Version": version,
                "Key-Inflection": "kebab",
                "Accept": "application/json",
                "User-Agent": "Consentry",
            }
        )

    def import_faces(
        self, list_id: str, files: Sequence[ImageFile], idempotency_key: str
    ) -> Importer:
        """POST /importer/list-item/faces: the same arguments give the same bytes.

        https://docs.withpersona.com/api-reference/importers/import-face-lists
        """
        parts = [_part("data[attributes][list-id]", list_id)]
        parts += [
            _part("data[attributes][image-files][]", file.data, file.name, file.content_type)
            for file in files
        ]
        body, content_type = encode_multipart_formdata(parts, f"consentry-{idempotency_key}")
        headers = {"Content-Type": content_type, "Idempotency-Key": idempotency_key}
        return self._call("POST", "/importer/list-item/faces", _importer, body, headers)

    def importer(self, importer_id: str) -> Importer:
        """GET /importers/{id} (docs: /api-reference/importers/retrieve-an-importer)."""
        return self._call("GET", f"/importers/{quote(importer_id, safe='')}", _importer)

    def newest_face_importers(self) -> list[Importer]:
        """GET /importers: the face importers among the newest hundred of all kinds."""
        return self._call("GET", f"/importers?{_page()}", _face_importers)

    def face_list(self, list_id: str) -> PersonaList:
        """GET /lists/{id}, of whatever type it is."""
        return self._call("GET", f"/lists/{quote(list_id, safe='')}", _list)

    def face_lists(self) -> Iterator[PersonaList]:
        """GET /lists, every page; only lists of faces (docs: /pagination)."""
        after: str | None = ""
        while after is not None:
            rows, after = self._call("GET", f"/lists?{_page(after)}", _lists_page)
            yield from (row for row in rows if row.type == FACE_LIST)

    def _call[T](
        self,
        method: str,
        path: str,
        read: Callable[[Any], T],
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        """The one place that sends: time-outs, redirects and headers are not for callers to set."""
        began = time.monotonic()
        status: int | None = None
        answer_headers: Mapping[str, str] = {}
        error: errors.PersonaError | None = None
        try:
            status, answer_headers, content = self._exchange(method, path, body, headers or {})
            return _understand(status, answer_headers, content, read)
        except errors.PersonaError as trouble:
            error = trouble
            raise
        finally:
            self._on_exchange(
                Exchange(
                    method,
                    path.partition("?")[0],
                    time.monotonic() - began,
                    status,
                    answer_headers.get("Request-Id", ""),
                    _rate_limit(answer_headers),
                    error,
                )
            )

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        deadline = time.monotonic() + self._timeout_seconds
        try:
            with self._session.request(
                method,
                self._base_url + path,
                data=_Body(body, deadline) if body else None,
                headers=headers,
                timeout=(CONNECT_TIMEOUT_SECONDS, self._timeout_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return response.status_code, response.headers, _read_until(response, deadline)
        except (requests.ConnectTimeout, requests.exceptions.SSLError) as error:
            raise errors.NotConnected("No connection to Persona could be made.") from error
        except requests.ConnectionError as error:
            if isinstance(getattr(error.args[0], "reason", None), NewConnectionError):
                raise errors.NotConnected("No connection to Persona could be made.") from error
            raise errors.NoAnswer("The connection to Persona broke before it answered.") from error
        except requests.RequestException as error:
            raise errors.NoAnswer("Persona did not answer in time.") from error
        except HTTPError as error:
            raise errors.NoAnswer("Persona's answer broke off.") from error


class _Body(io.BytesIO):
    """What is sent, in pieces, until the deadline: a slow line must not outlast a lease."""

    def __init__(self, data: bytes, deadline: float) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1) -> bytes:
        if time.monotonic() > self._deadline:
            raise errors.NoAnswer("The request could not be sent to Persona in time.")
        return super().read(size)


def _part(
    name: str, data: str | bytes, filename: str | None = None, content_type: str | None = None
) -> RequestField:
    part = RequestField(name, data, filename=filename)
    part.make_multipart(content_type=content_type)
    return part


def _page(after: str | None = None) -> str:
    query = {"page[size]": str(PAGE_SIZE)} | ({"page[after]": after} if after else {})
    return urlencode(query)


def _read_until(response: requests.Response, deadline: float) -> bytes:
    """The answer's body; raises NoAnswer once it takes too long or grows too large.

    What comes in one piece, as an importer does, is never too late.
    """
    content = bytearray()
    while chunk := response.raw.read1(65_536, decode_content=True):
        if content and time.monotonic() > deadline:
            raise errors.NoAnswer("Persona's answer did not end in time.")
        content += chunk
        if len(content) > LONGEST_ANSWER_BYTES:
            raise errors.NoAnswer("Persona's answer is too long.")
    return bytes(content)


def _understand[T](
    status: int, headers: Mapping[str, str], content: bytes, read: Callable[[Any], T]
) -> T:
    request_id = headers.get("Request-Id", "")
    if not 200 <= status < 300:
        raise _error(status, headers, content)
    try:
        return read(json.loads(content))
    except STRANGE as error:
        raise errors.Unreadable(
            f"Persona's answer ({status}) could not be read.", status=status, request_id=request_id
        ) from error


def _error(status: int, headers: Mapping[str, str], content: bytes) -> errors.PersonaError:
    first = _first_error(content)
    kind = errors.BY_STATUS.get(status)
    if kind is None:
        kind = errors.Refused if 400 <= status < 500 else errors.ServerTrouble
    if status == 400 and first.get("title") == "Idempotency error":
        kind = errors.KeyReused
    error = kind(
        f"Persona answered {status}.",
        status=status,
        request_id=headers.get("Request-Id", ""),
        title=str(first.get("title") or "")[:300],
        detail=str(first.get("details") or "")[:2000],
        pointer=_pointer(first)[:300],
    )
    if isinstance(error, errors.RateLimited) and (limit := _rate_limit(headers)):
        error.wait_seconds = limit.reset_seconds
    return error


def _first_error(content: bytes) -> dict[str, Any]:
    """The first of Persona's errors, or nothing: a gateway answers with HTML."""
    try:
        first = json.loads(content)["errors"][0]
    except (*STRANGE, IndexError):
        return {}
    return first if isinstance(first, dict) else {}


def _pointer(error: dict[str, Any]) -> str:
    source = error.get("source")
    return str(source.get("pointer") or "") if isinstance(source, dict) else ""


def _rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    try:
        return RateLimit(
            *(int(headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))
        )
    except (KeyError, ValueError):
        return None


def _importer(body: Any) -> Importer:
    data = body["data"]
    attributes = _kebab(data["attributes"])
    raw_status = str(attributes.get("status") or "")
    return Importer(
        id=_id(data),
        status=Status(raw_status) if raw_status in Status else Status.UNKNOWN,
        raw_status=raw_status[:100],
        created_at=_time(attributes.get("created-at")),
        completed_at=_time(attributes.get("completed-at")),
        successful_count=_count(attributes.get("successful-count")),
        duplicate_count=_count(attributes.get("duplicate-count")),
        error_count=_count(attributes.get("error-count")),
    )


def _face_importers(body: Any) -> list[Importer]:
    return [_importer({"data": row}) for row in body["data"] if row["type"] in FACE_IMPORTERS]


def _list(body: Any) -> PersonaList:
    return _list_row(body["data"])


def _list_row(row: Any) -> PersonaList:
    attributes = _kebab(row["attributes"])
    archived = attributes.get("status") == "archived" or bool(attributes.get("archived-at"))
    return PersonaList(
        _id(row), str(row["type"]), str(attributes.get("name") or "")[:200], archived
    )


def _lists_page(body: Any) -> tuple[list[PersonaList], str | None]:
    """A page and the cursor of the next one, None after the last."""
    rows = [_list_row(row) for row in body["data"]]
    return rows, rows[-1].id if rows and body["links"]["next"] else None


def _kebab(attributes: dict[str, Any]) -> dict[str, Any]:
    """Names as we ask for them, should the key's own setting win (docs: /api-key-inflection)."""
    return {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).replace("_", "-").lower(): value
        for name, value in attributes.items()
    }


def _id(row: Any) -> str:
    if not isinstance(row["id"], str) or not 0 < len(row["id"]) <= 100:
        raise ValueError("An id is a string of at most 100 characters.")
    return row["id"]


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if not 0 <= int(value) <= MOST_COUNTED:
        raise ValueError("A count is a number that can be stored.")
    return int(value)


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
