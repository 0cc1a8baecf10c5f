"""The requests that Local Persona executes, and its records as Persona shows them."""

import json
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from .bodies import Body
from .faults import FAULTS, Record
from .messages import ROOT, Reply, SeenRequest, document, error
from .store import NEWEST, SentFile, Store, random_id

FACE_LIST = "list/face"
PAGE_SIZES = [str(size) for size in range(1, 101)]
LIST_POINTER = "/data/attributes/list-id"
VERDICTS = ("error", "successful", "duplicate")


class Call(NamedTuple):
    request: SeenRequest
    body: Body
    view: str | None  # the fault through which importers are seen


@dataclass(frozen=True)
class Api:
    store: Store
    delay_seconds: float

    def execute(self, call: Call) -> Reply:
        for method, path, handler in ROUTES:
            found = re.fullmatch(ROOT + path, call.request.path)
            if found and method == call.request.method:
                return handler(self, call, *found.groups())
        return error(404)

    def import_faces(self, call: Call) -> Reply:
        body, request = call.body, call.request
        if refusal := self._refusal(body):
            return refusal
        [row] = self.store.insert(
            "importers",
            id=random_id("mprt_"),
            list_id=body.list_id,
            idempotency_key=request.key or None,
            headers=json.dumps({k: v for k, v in request.headers.items() if k != "authorization"}),
            files=json.dumps(body.files),
            fault=call.view,
            created_at=request.time,
            due_at=request.time + self.delay_seconds,
            **self._counts(call),
        )
        return document(201, data=_plain_importer(row, is_due=False))

    def _refusal(self, body: Body) -> Reply | None:
        if body.problem:
            return error(400, body.problem)
        if not body.list_id or not body.files:
            missing = "image-files" if body.list_id else "list-id"
            return error(400, f"data.attributes.{missing} is missing")
        row = self.store.find("lists", body.list_id)
        if row is None:
            return error(404)
        if row["type"] != FACE_LIST:
            return error(422, "List must be a Face List", LIST_POINTER)
        return error(422, "List is archived", LIST_POINTER) if row["archived_at"] else None

    def _counts(self, call: Call) -> dict[str, int]:
        """An import that ends as errored adds no face to the list."""
        files = () if call.view == "errored" else call.body.files
        verdicts = [self._verdict(file, call.body) for file in files]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS}

    def _verdict(self, file: SentFile, body: Body) -> str:
        if file.sha256 not in body.decodable:
            return "error"
        is_new = self.store.insert("faces", list_id=body.list_id, sha256=file.sha256)
        return "successful" if is_new else "duplicate"

    def retrieve(self, call: Call, table: str, record_id: str) -> Reply:
        row = self.store.find(table, record_id)
        record = RECORDS[table](row, call) if row else None
        return document(200, data=record) if record else error(404)

    def index(self, call: Call, table: str) -> Reply:
        request, query = call.request, call.request.query
        after, size = query.get("page[after]"), query.get("page[size]", "10")
        cursor = self.store.find(table, after) if after else None
        if size not in PAGE_SIZES:
            return error(400, "page.size must be between 1 and 100")
        if after and not cursor:
            return error(400, "page.after is not found")
        rows = self.store.page(table, int(size) + 1, cursor["number"] if cursor else NEWEST)
        page, has_more = rows[: int(size)], len(rows) > int(size)
        records = [RECORDS[table](row, call) for row in page]
        following = urlencode({**query, "page[after]": page[-1]["id"]}) if has_more else ""
        links = {"prev": None, "next": f"{request.path}?{following}" if following else None}
        return document(200, data=[record for record in records if record], links=links)

    def archive_list(self, call: Call, list_id: str) -> Reply:
        sql = "UPDATE lists SET archived_at = ?1, updated_at = ?1 WHERE id = ?2"
        self.store.rows(sql, call.request.time, list_id)
        return self.retrieve(call, "lists", list_id)


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _list(row: sqlite3.Row, call: Call) -> Record:
    attributes = {
        "name": row["name"],
        "status": "archived" if row["archived_at"] else "active",
        **{f"{name}-at": _moment(row[f"{name}_at"]) for name in ("archived", "created", "updated")},
    }
    record = {"type": row["type"], "id": row["id"], "attributes": attributes}
    return {**record, "relationships": {"list-items": {"data": []}}}


def _importer(row: sqlite3.Row, call: Call) -> Record | None:
    """Return the importer as its own fault and the request's show it: None where one hides it."""
    record = _plain_importer(row, call.request.time >= row["due_at"])
    for fault in filter(None, (row["fault"], call.view)):
        attributes = FAULTS[fault].view(record["attributes"])
        if attributes is None:
            return None
        record["attributes"] = attributes
    return record


def _plain_importer(row: sqlite3.Row, is_due: bool) -> Record:
    attributes = {
        "status": "ready" if is_due else "pending",
        "created-at": _moment(row["created_at"]),
        "completed-at": _moment(row["due_at"]) if is_due else None,
        **{f"{verdict}-count": row[verdict] if is_due else 0 for verdict in VERDICTS},
    }
    return {"type": "importer/list-item/face", "id": row["id"], "attributes": attributes}


RECORDS = {"importers": _importer, "lists": _list}
ROUTES = (
    ("POST", "/importer/list-item/faces", Api.import_faces),
    ("GET", "/(importers|lists)", Api.index),
    ("GET", "/(importers|lists)/([^/]+)", Api.retrieve),
    ("DELETE", "/lists/([^/]+)", Api.archive_list),
)
