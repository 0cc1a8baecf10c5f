"""Rows as Persona shows them, with kebab keys."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from .faults import look_through

FACE_IMPORTER = "importer/list-item/face"
API_KEY_ID = "api_LocaLPersonaStandsLocaL1"
VERDICTS = ("error", "successful", "duplicate")


def moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def list_record(row: sqlite3.Row) -> dict[str, Any]:
    attributes = {
        "name": row["name"],
        "status": "archived" if row["archived_at"] else "active",
        "archived-at": moment(row["archived_at"]),
        "created-at": moment(row["created_at"]),
        "updated-at": moment(row["updated_at"]),
    }
    relationships: dict[str, Any] = {"list-items": {"data": []}}
    record = {"type": row["type"], "id": row["id"], "attributes": attributes}
    return {**record, "relationships": relationships}


def importer_record(
    row: sqlite3.Row,
    counts: Mapping[tuple[str, str], int],
    now: float,
    look: str | None = None,
) -> dict[str, Any] | None:
    """None where a fault hides the importer."""
    due = now >= row["due_at"]
    plain = {
        "status": "ready" if due else "pending",
        "created-at": moment(row["created_at"]),
        "completed-at": moment(row["due_at"]) if due else None,
        **{f"{v}-count": counts.get((row["id"], v), 0) if due else 0 for v in VERDICTS},
    }
    fated = look_through(row["fate"], plain)
    attributes = fated and look_through(look, fated)
    return attributes and {"type": FACE_IMPORTER, "id": row["id"], "attributes": attributes}


def new_importer_record(row: sqlite3.Row) -> dict[str, Any]:
    attributes = {
        "status": "pending",
        "created-at": moment(row["created_at"]),
        "completed-at": None,
        **{f"{verdict}-count": 0 for verdict in VERDICTS},
    }
    return {"type": FACE_IMPORTER, "id": row["id"], "attributes": attributes}


def _item_status(row: sqlite3.Row, now: float) -> str:
    if row["archived_at"]:
        return "archived"
    return "active" if now >= row["due_at"] else "pending"


def _creator(row: sqlite3.Row) -> dict[str, Any]:
    if row["importer_id"]:
        return {"type": FACE_IMPORTER, "id": row["importer_id"]}
    return {"type": "api-key", "id": API_KEY_ID}


def item_record(
    row: sqlite3.Row, now: float, origin: str, status: str | None = None
) -> dict[str, Any]:
    token = urlencode({"access_token": row["token"]})
    photo = {
        "filename": row["filename"],
        "url": f"{origin}/files/{quote(row['filename'], safe='')}?{token}",
        "byte-size": row["size"],
    }
    attributes = {
        "status": status or _item_status(row, now),
        "archived-at": moment(row["archived_at"]),
        "redacted-at": None,
        "updated-at": moment(row["updated_at"]),
        "created-at": moment(row["created_at"]),
        "match-count": 0,
        "face-photo": photo,
    }
    record = {"type": "list-item/face", "id": row["id"], "attributes": attributes}
    return {**record, "relationships": {"creator": {"data": _creator(row)}}}
