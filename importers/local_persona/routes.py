import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from . import bodies, pictures
from .answers import (
    Answer,
    Refused,
    bad_request,
    conflict,
    error,
    not_found,
    unprocessable,
)
from .bodies import Upload
from .records import importer_record, item_record, list_record, new_importer_record
from .store import FACE_LIST, Page, SentFile, Store
from .traffic import Pace

API = "/api/v1"
PAGE_SIZE = 10
MAX_PAGE_SIZE = 100
LIST_POINTER = "/data/attributes/list-id"
VERSIONS = (
    *("2026-09-29", "2025-12-08", "2025-10-27", "2023-01-05", "2022-09-01"),
    *("2021-08-18", "2021-07-05", "2021-05-14", "2021-02-21", "2020-05-18"),
)


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    raw: bytes = field(repr=False)
    at: float
    pace: Pace | None = None
    look: str | None = None  # the fault through which importers are seen

    @property
    def place(self) -> str:
        return f"{self.method} {self.path.removeprefix(API)}"

    @property
    def key(self) -> str | None:
        return self.headers.get("idempotency-key") if self.method == "POST" else None

    @cached_property
    def body(self) -> bodies.Body:
        return bodies.parse(self.headers.get("content-type", ""), self.raw)

    @cached_property
    def decodable(self) -> dict[str, bool]:
        """Worked out before any transaction begins, for it takes its time."""
        contents = {file.sha256: file.content for file in self._uploads()}
        return dict(zip(contents, pictures.all_decode(list(contents.values())), strict=True))

    def _uploads(self) -> list[Upload]:
        values = self.body.attributes.values()
        flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
        return [value for value in flat if isinstance(value, Upload)]

    def attribute(self, name: str) -> Any:
        if self.body.problem:
            raise Refused(bad_request(self.body.problem))
        if self.body.attributes.get(name) in (None, "", []):
            raise Refused(bad_request(f"data.attributes.{name} is missing"))
        return self.body.attributes[name]

    def text(self, name: str) -> str:
        value = self.attribute(name)
        if not isinstance(value, str):
            raise Refused(bad_request(f"data.attributes.{name} must be a string"))
        return value


def _found[T](row: T | None) -> T:
    if row is None:
        raise Refused(not_found())
    return row


def _sent(file: Upload) -> SentFile:
    return SentFile(file.filename, file.content_type, file.sha256, file.size)


@dataclass(frozen=True)
class Api:
    store: Store
    delay_seconds: float
    unknown_list: int
    origin: str

    def answer(self, request: Request) -> Answer:
        version = request.headers.get("persona-version", VERSIONS[0])
        if version not in VERSIONS:
            return bad_request(f"Persona-Version {version[:20]} is not a valid version")
        for method, path, handler in ROUTES:
            found = path.fullmatch(request.path)
            if found and method == request.method:
                return handler(self, request, *found.groups())
        return not_found()

    def import_faces(self, request: Request) -> Answer:
        list_id = request.text("list-id")
        files = self._image_files(request)
        self._open_face_list(list_id, self.unknown_list)
        due_at = request.at + self.delay_seconds
        importer_id = self.store.add_importer(
            list_id, request.key, request.headers, request.look, request.at, due_at
        )
        for file, verdict in zip(files, self._verdicts(request, list_id, files), strict=True):
            matches = request.look != "errored"
            times = (request.at, due_at)
            self.store.add_file(list_id, _sent(file), verdict, *times, importer_id, matches)
        row = _found(self.store.importer(importer_id))
        return Answer(201, {"data": new_importer_record(row)})

    def _image_files(self, request: Request) -> list[Upload]:
        files = request.attribute("image-files")
        if not isinstance(files, list):
            raise Refused(bad_request("data.attributes.image-files must be an array"))
        if not all(isinstance(file, Upload) for file in files):
            raise Refused(bad_request("data.attributes.image-files must be files"))
        return files

    def _verdicts(self, request: Request, list_id: str, files: list[Upload]) -> list[str]:
        seen: set[str] = set()
        verdicts = []
        for file in files:
            if not request.decodable[file.sha256]:
                verdicts.append("error")
            elif file.sha256 in seen or self.store.matches(list_id, file.sha256):
                verdicts.append("duplicate")
            else:
                verdicts.append("successful")
            seen.add(file.sha256)
        return verdicts

    def _open_face_list(self, list_id: str, unknown: int = 404) -> None:
        row = self.store.find_list(list_id)
        if row is None and unknown == 400:
            raise Refused(bad_request("data.attributes.list-id is not found"))
        if _found(row)["type"] != FACE_LIST:
            raise Refused(unprocessable("List must be a Face List", LIST_POINTER))
        if _found(row)["archived_at"]:
            raise Refused(unprocessable("List is archived", LIST_POINTER))

    def importer(self, request: Request, importer_id: str) -> Answer:
        row = _found(self.store.importer(importer_id))
        counts = self.store.counts([importer_id])
        return Answer(200, {"data": _found(importer_record(row, counts, request.at, request.look))})

    def importers(self, request: Request) -> Answer:
        page = self._page(request, "importers")
        counts = self.store.counts([row["id"] for row in page.rows])
        seen = [importer_record(row, counts, request.at, request.look) for row in page.rows]
        return self._paged(request, page, [record for record in seen if record])

    def create_list(self, request: Request) -> Answer:
        list_id = self.store.add_list(FACE_LIST, request.text("name"), request.at)
        return Answer(201, {"data": list_record(_found(self.store.find_list(list_id)))})

    def lists(self, request: Request) -> Answer:
        status = request.query.get("filter[status]")
        if status not in (None, "active", "archived"):
            return bad_request("filter.status must be one of: active, archived")
        page = self._page(request, "lists", None if status is None else status == "archived")
        return self._paged(request, page, [list_record(row) for row in page.rows])

    def retrieve_list(self, request: Request, list_id: str) -> Answer:
        return Answer(200, {"data": list_record(_found(self.store.find_list(list_id)))})

    def archive_list(self, request: Request, list_id: str) -> Answer:
        self.store.archive_list(list_id, request.at)
        return self.retrieve_list(request, list_id)

    def create_item(self, request: Request) -> Answer:
        list_id, photo = request.text("list-id"), request.attribute("face-photo")
        if not isinstance(photo, Upload):
            return bad_request("data.attributes.face-photo must be a file")
        self._open_face_list(list_id)
        if not request.decodable[photo.sha256]:
            details = "File must be a PNG or JPEG image"
            return error(422, "Record invalid", details, "/data/attributes/face-photo")
        if self.store.matches(list_id, photo.sha256):
            return conflict("Resource already exists as an active resource")
        times = (request.at, request.at + self.delay_seconds)
        item_id = self.store.add_file(list_id, _sent(photo), "successful", *times)
        row = _found(self.store.item(item_id))
        return Answer(201, {"data": item_record(row, request.at, self.origin, "pending")})

    def item(self, request: Request, item_id: str) -> Answer:
        row = _found(self.store.item(item_id))
        return Answer(200, {"data": item_record(row, request.at, self.origin)})

    def archive_item(self, request: Request, item_id: str) -> Answer:
        self.store.archive_item(item_id, request.at)
        return self.item(request, item_id)

    def rate_limits(self, request: Request) -> Answer:
        if request.pace is None:
            return Answer(200, {"data": []})
        attributes = {
            "limit": request.pace.limit,
            "remaining": request.pace.remaining,
            "seconds-to-reset": request.pace.reset_seconds,
        }
        return Answer(200, {"data": [{"type": "rate-limit/api", "attributes": attributes}]})

    def photo(self, request: Request) -> Answer:
        if not self.store.has_photo(request.query.get("access_token", "")):
            return not_found()
        return Answer(200, pictures.blank_png(), "image/png", signed=False, paced=False)

    def _page(self, request: Request, table: str, archived: bool | None = None) -> Page:
        after, before = (self._cursor(request, table, side) for side in ("after", "before"))
        if after and before:
            raise Refused(bad_request("page.after and page.before exclude each other"))
        return self.store.page(table, _page_size(request), after, before, archived)

    def _cursor(self, request: Request, table: str, side: str) -> int | None:
        record_id = request.query.get(f"page[{side}]")
        number = self.store.number_of(table, record_id) if record_id else None
        if record_id and number is None:
            raise Refused(bad_request(f"page.{side} is not found"))
        return number

    def _paged(self, request: Request, page: Page, records: list[dict[str, Any]]) -> Answer:
        rows = page.rows
        links = {
            "prev": _link(request, "before", rows[0]["id"]) if rows and page.newer else None,
            "next": _link(request, "after", rows[-1]["id"]) if rows and page.older else None,
        }
        return Answer(200, {"data": records, "links": links})


def _page_size(request: Request) -> int:
    text = request.query.get("page[size]", str(PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE_SIZE):
        raise Refused(bad_request(f"page.size must be between 1 and {MAX_PAGE_SIZE}"))
    return int(text)


def _link(request: Request, side: str, record_id: str) -> str:
    kept = {k: v for k, v in request.query.items() if k not in ("page[after]", "page[before]")}
    return f"{request.path}?{urlencode({**kept, f'page[{side}]': record_id})}"


Handler = Callable[..., Answer]


def _route(method: str, path: str, handler: Handler) -> tuple[str, re.Pattern[str], Handler]:
    return method, re.compile(API + path), handler


ROUTES = [
    _route("POST", "/importer/list-item/faces", Api.import_faces),
    _route("GET", "/importers", Api.importers),
    _route("GET", "/importers/([^/]+)", Api.importer),
    _route("POST", "/list/faces", Api.create_list),
    _route("GET", "/lists", Api.lists),
    _route("GET", "/lists/([^/]+)", Api.retrieve_list),
    _route("DELETE", "/lists/([^/]+)", Api.archive_list),
    _route("POST", "/list-item/faces", Api.create_item),
    _route("GET", "/list-item/faces/([^/]+)", Api.item),
    _route("DELETE", "/list-item/faces/([^/]+)", Api.archive_item),
    _route("GET", "/rate-limits", Api.rate_limits),
]
