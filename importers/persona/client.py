"""Persona's words in, ours out. Only this package speaks HTTP; it knows no Django.

Each call is one request: nothing is retried here, since only the caller knows what a second
request would cost. `trust_env=False` keeps proxies and ~/.netrc from replacing our header,
redirects are not followed (they would carry faces elsewhere), and TLS is always verified.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import requests
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.fields import RequestField

from importers.persona import errors, responses, sessions
from importers.persona.deadline import Deadline, now
from importers.persona.multipart import Body
from importers.persona.responses import Importer, ImportersPage, PersonaList, RateLimit

CONNECT_TIMEOUT_SECONDS = 5
MAX_ANSWER_BYTES = 5_000_000  # far more than a page of importers needs
TOO_SLOW = "Persona did not answer in time."
PAGE_SIZE = 100  # the most that Persona allows (docs: /pagination)


@dataclass(frozen=True)
class ImageFile:
    """`name` is what Persona shows beside the face; `content_type` is image/jpeg or image/png."""

    name: str
    content_type: str
    data: bytes


@dataclass
class Exchange:
    """One request and its outcome; `status` is None if no answer came. Never a body."""

    method: str
    path: str
    seconds: float = 0
    began: float = field(default_factory=now)
    status: int | None = None
    request_id: str = ""
    rate_limit: RateLimit | None = None
    date: datetime | None = None
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
        began: float | None = None,
        on_exchange: Callable[[Exchange], None] = lambda exchange: None,
    ) -> None:
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._began = began
        self._on_exchange = on_exchange
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Persona-Version": version,
            "Key-Inflection": "kebab",
            "Accept": "application/json",
            "User-Agent": "Consentry",
        }

    def import_faces(self, list_id: str, files: list[ImageFile], idempotency_key: str) -> Importer:
        """POST /importer/list-item/faces: the same arguments give the same bytes.

        Takes the files out of the list, and lets go of each as soon as it was sent.
        https://docs.withpersona.com/api-reference/importers/import-face-lists
        """
        # Not a random boundary: a retry under the same key must repeat the same bytes.
        body = Body(_fields(list_id, files), f"consentry-{idempotency_key}")
        files.clear()
        headers = {"Content-Type": body.content_type, "Idempotency-Key": idempotency_key}
        try:
            return self._call(
                "POST", "/importer/list-item/faces", responses.importer, body, headers
            )
        finally:
            body.clear()  # an error's traceback would hold it until the next garbage collection

    def importer(self, importer_id: str) -> Importer:
        """GET /importers/{id} (docs: /api-reference/importers/retrieve-an-importer)."""
        return self._call("GET", f"/importers/{quote(importer_id, safe='')}", responses.importer)

    def importers_page(self, after: str = "") -> ImportersPage:
        """GET /importers: a page of importers, newest first (docs: /pagination)."""
        return self._call("GET", f"/importers?{_page(after)}", responses.importers_page)

    def face_list(self, list_id: str) -> PersonaList:
        """GET /lists/{id}: a list of any type."""
        return self._call("GET", f"/lists/{quote(list_id, safe='')}", responses.persona_list)

    def lists_page(self, after: str = "") -> tuple[list[PersonaList], str | None]:
        """GET /lists: lists of every type, and the next page's cursor (docs: /pagination)."""
        return self._call("GET", f"/lists?{_page(after)}", responses.lists_page)

    def _call[T](
        self,
        method: str,
        path: str,
        read: Callable[[Any], T],
        body: Body | None = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        """Send a request. No caller can override the timeout, the redirects or our headers."""
        exchange = Exchange(method, path.partition("?")[0], began=self._began or now())
        try:
            deadline = exchange.began + self._timeout_seconds
            exchange.status, answered, content = self._exchange(
                method, path, body, headers or {}, deadline
            )
            exchange.request_id = responses.request_id(answered)
            exchange.rate_limit = responses.rate_limit(answered)
            exchange.date = responses.date(answered)
            return responses.parse(exchange.status, answered, content, read)
        except errors.PersonaError as error:
            exchange.error = error
            raise
        finally:
            exchange.seconds = now() - exchange.began
            self._on_exchange(exchange)

    def _exchange(
        self, method: str, path: str, body: Body | None, headers: dict[str, str], deadline: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        seconds_left = deadline - now()
        if seconds_left <= 0:  # a frozen worker: by now another may have sent it under a new key
            raise errors.NotConnected("It was too late to send the request.")
        if body:
            body.deadline = deadline
        with Deadline(seconds_left) as limit, sessions.session(limit) as session:
            try:
                with session.request(
                    method,
                    self._base_url + path,
                    data=body,
                    headers=self._headers | headers,
                    timeout=(CONNECT_TIMEOUT_SECONDS, self._timeout_seconds),
                    allow_redirects=False,
                    stream=True,  # so that our own size limit applies to the body
                ) as response:
                    content = _read(response, limit)
                    return response.status_code, response.headers, content
            except requests.RequestException as error:
                raise _failure(error, limit, body) from error
            except HTTPError as error:
                raise _no_answer(limit, "Persona's answer was cut off.") from error


def _failure(
    error: requests.RequestException, deadline: Deadline, body: Body | None
) -> errors.NoAnswer:
    """Distinguish a request that was never sent from one that may have arrived.

    No importer can be made before a part of the body, which follows the TLS handshake, has left.
    """
    if not (body.has_left if body else _was_connected(error)):
        return errors.NotConnected("No connection to Persona could be made.")
    if isinstance(error, requests.ConnectionError):
        return _no_answer(deadline, "The connection to Persona broke before it answered.")
    return errors.NoAnswer(TOO_SLOW)


def _was_connected(error: requests.RequestException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    refused_or_no_such_host = isinstance(reason, NewConnectionError)
    no_connection = isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError)
    return not (no_connection or refused_or_no_such_host)


def _no_answer(deadline: Deadline, otherwise: str) -> errors.NoAnswer:
    return errors.NoAnswer(TOO_SLOW if deadline.has_passed else otherwise)


def _fields(list_id: str, files: list[ImageFile]) -> Iterator[tuple[str, bytes]]:
    yield _field("data[attributes][list-id]", list_id.encode())
    for file in files:
        yield _field("data[attributes][image-files][]", file.data, file.name, file.content_type)


def _field(
    name: str, data: bytes, filename: str | None = None, content_type: str | None = None
) -> tuple[str, bytes]:
    """Return the headers of a form's field, and its data."""
    field = RequestField(name, data, filename=filename)
    field.make_multipart(content_type=content_type)
    return field.render_headers(), data


def _page(after: str | None = None) -> str:
    query = {"page[size]": str(PAGE_SIZE)} | ({"page[after]": after} if after else {})
    return urlencode(query)


def _read(response: requests.Response, deadline: Deadline) -> bytes:
    """Return the answer's body. Raises NoAnswer if it is too slow or too large."""
    content = bytearray()
    while chunk := response.raw.read1(65_536, decode_content=True):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise errors.NoAnswer("Persona's answer is too long.")
    shows_its_end = any(
        name in response.headers for name in ("Content-Length", "Transfer-Encoding")
    )
    if deadline.has_passed and not shows_its_end:
        raise errors.NoAnswer(TOO_SLOW)
    return bytes(content)
