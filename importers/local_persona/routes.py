"""The requests that Local Persona executes, and its records as Persona shows them."""

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from .bodies import Body
from .faults import FAULTS, Record
from .messages import ROOT, Reply, SeenRequest, document, error
from .store import NEWEST, SentFile, Store, random_id

FACE_LIST = "list/face"
LIST_POINTER = "/data/attributes/list-id"
PAGE_SIZES = [str(size) for size in range(1, 101)]
VERDICTS = ("error", "successful", "duplicate")


@dataclass(frozen=True)
class Call:
    """One request to execute; `view` is the fault through which it sees importers."""

    store: Store
    delay_seconds: float
    request: SeenRequest
    body: Body
    view: str | None

    def reply(self) -> Reply:
        for method, path, handler in ROUTES:
            found = re.fullmatch(ROOT + path, self.request.path)
            if found and method == self.request.method:
                return handler(self, *found.groups())
        return error(404)

    def import_faces(self) -> Reply:
        if refusal := self._refusal():
            return refusal
        headers = {k: v for k, v in self.request.headers.items() if k != "authorization"}
        [row] = self.store.insert(
            "importers",
            id=random_id("mprt_"),
            list_id=self.body.list_id,
            idempotency_key=self.request.key or None,
            headers=json.dumps(headers),
            files=json.dumps(self.body.files),
            fault=self.view,
            created_at=self.request.time,
            due_at=self.request.time + self.delay_seconds,
            **self._counts(),
        )
        return document(201, data=_importer(row, is_due=False))

    def _refusal(self) -> Reply | None:
        if self.body.problem:
            return error(400, self.body.problem)
        if not self.body.list_id or not self.body.files:
            missing = "image-files" if self.body.list_id else "list-id"
            return error(400, f"data.attributes.{missing} is missing")
        row = self.store.find("lists", self.body.list_id)
        if row is None:
            return error(404)
        if row["type"] != FACE_LIST:
            return error(422, "List must be a Face List", LIST_POINTER)
        return error(422, "List is archived", LIST_POINTER) if row["archived_at"] else None

    def _counts(self) -> dict[str, int]:
        """An import that ends as errored adds no face to the list."""
        files = () if self.view == "errored" else self.body.files
        verdicts = [self._verdict(file) for file in files]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS}

    def _verdict(self, file: SentFile) -> str:
        if file.sha256 not in self.body.decodable:
            return "error"
        is_new = self.store.insert("faces", list_id=self.body.list_id, sha256=file.sha256)
        return "successful" if is_new else "duplicate"

    def retrieve(self, table: str, record_id: str) -> Reply:
        row = self.store.find(table, record_id)
        record = self._record(row, table) if row else None
        return document(200, data=record) if record else error(404)

    def index(self, table: str) -> Reply:
        after = self.request.query.get("page[after]")
        size = self.request.query.get("page[size]", "10")
        cursor = self.store.find(table, after) if after else None
        if size not in PAGE_SIZES:
            return error(400, "page.size must be between 1 and 100")
        if after and not cursor:
            return error(400, "page.after is not found")
        rows = self.store.page(table, int(size) + 1, cursor["number"] if cursor else NEWEST)
        page, has_more = rows[: int(size)], len(rows) > int(size)
        query = urlencode({**self.request.query, "page[after]": page[-1]["id"]}) if has_more else ""
        links = {"prev": None, "next": f"{self.request.path}?{query}" if query else None}
        records = [self._record(row, table) for row in page]
        return document(200, data=[record for record in records if record], links=links)

    def archive_list(self, list_id: str) -> Reply:
        sql = "UPDATE lists SET archived_at = ?1, updated_at = ?1 WHERE id = ?2"
        self.store.rows(sql, self.request.time, list_id)
        return self.retrieve("lists", list_id)

    def _record(self, row: sqlite3.Row, table: str) -> Record | None:
        if table == "lists":
            return _list(row)
        faults = filter(None, (row["fault"], self.view))
        return _importer(row, self.request.time >= row["due_at"], faults)


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _list(row: sqlite3.Row) -> Record:
    attributes = {
        "name": row["name"],
        "status": "archived" if row["archived_at"] else "active",
        **{f"{name}-at": _moment(row[f"{name}_at"]) for name in ("archived", "created", "updated")},
    }
    relationships: Record = {"list-items": {"data": []}}
    about = {"type": row["type"], "id": row["id"]}
    return {**about, "attributes": attributes, "relationships": relationships}


def _importer(row: sqlite3.Row, is_due: bool, faults: Iterable[str] = ()) -> Record | None:
    """Return the importer as the faults show it, or None if one hides it."""
    attributes: Record | None = {
        "status": "ready" if is_due else "pending",
        "created-at": _moment(row["created_at"]),
        "completed-at": _moment(row["due_at"]) if is_due else None,
        **{f"{verdict}-count": row[verdict] if is_due else 0 for verdict in VERDICTS},
    }
    for fault in faults:
        attributes = attributes and FAULTS[fault].view(attributes)
    about = {"type": "importer/list-item/face", "id": row["id"]}
    return attributes and {**about, "attributes": attributes}


ROUTES = (
    ("POST", "/importer/list-item/faces", Call.import_faces),
    ("GET", "/(importers|lists)", Call.index),
    ("GET", "/(importers|lists)/([^/]+)", Call.retrieve),
    ("DELETE", "/lists/([^/]+)", Call.archive_list),
)
