import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
KEY_LIFE_SECONDS = 24 * 60 * 60
FACE_LIST = "list/face"

SCHEMA = """
CREATE TABLE IF NOT EXISTS lists (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, type TEXT NOT NULL,
    name TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL, archived_at REAL
);
CREATE TABLE IF NOT EXISTS importers (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, list_id TEXT NOT NULL,
    idempotency_key TEXT, headers TEXT NOT NULL, fate TEXT,
    created_at REAL NOT NULL, due_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, token TEXT UNIQUE NOT NULL,
    list_id TEXT NOT NULL, importer_id TEXT, filename TEXT NOT NULL,
    content_type TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('successful', 'duplicate', 'error')),
    matches INTEGER NOT NULL, created_at REAL NOT NULL, due_at REAL NOT NULL,
    updated_at REAL NOT NULL, archived_at REAL
);
CREATE INDEX IF NOT EXISTS files_in_list ON files (list_id, sha256) WHERE matches;
CREATE INDEX IF NOT EXISTS files_of_importer ON files (importer_id);
CREATE TABLE IF NOT EXISTS replies (
    place TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL, request_id TEXT NOT NULL,
    created_at REAL NOT NULL, PRIMARY KEY (place, key)
);
"""


class SentFile(NamedTuple):
    filename: str
    content_type: str
    sha256: str
    size: int


@dataclass(frozen=True)
class LedgerEntry:
    """One accepted import. `headers` leaves out Authorization, for this is kept on disk."""

    importer_id: str
    list_id: str
    idempotency_key: str | None
    headers: dict[str, str] = field(repr=False)
    files: tuple[SentFile, ...]


class Page(NamedTuple):
    rows: list[sqlite3.Row]
    newer: bool
    older: bool


def random_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(24))


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.touch(mode=0o600)
    db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
    db.row_factory = sqlite3.Row
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


class Store:
    """One connection, one writer at a time; the bytes of an image never come here.

    Table and column names in the statements below are our own, never a client's.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._db = _open(path)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        return next(iter(self._all(sql, *values)), None)

    def _insert(self, table: str, **row: Any) -> None:
        marks = ", ".join("?" * len(row))
        sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608
        self._all(sql, *row.values())

    def is_empty(self) -> bool:
        return self._one("SELECT 1 FROM lists") is None

    def add_list(self, kind: str, name: str, now: float, archived: bool = False) -> str:
        list_id = random_id("lst_")
        archived_at = now if archived else None
        times = {"created_at": now, "updated_at": now, "archived_at": archived_at}
        self._insert("lists", id=list_id, type=kind, name=name, **times)
        return list_id

    def find_list(self, list_id: str) -> sqlite3.Row | None:
        return self._one("SELECT * FROM lists WHERE id = ?", list_id)

    def archive_list(self, list_id: str, now: float) -> None:
        self._all(
            "UPDATE lists SET archived_at = ?, updated_at = ? WHERE id = ? AND archived_at IS NULL",
            *(now, now, list_id),
        )

    def archive_item(self, item_id: str, now: float) -> None:
        self._all(
            "UPDATE files SET archived_at = ?, updated_at = ?, matches = 0 "
            "WHERE id = ? AND archived_at IS NULL",
            *(now, now, item_id),
        )

    def add_importer(
        self,
        list_id: str,
        key: str | None,
        headers: dict[str, str],
        fate: str | None,
        created_at: float,
        due_at: float,
    ) -> str:
        importer_id = random_id("mprt_")
        kept = {name: value for name, value in headers.items() if name != "authorization"}
        times = {"created_at": created_at, "due_at": due_at}
        ids = {"id": importer_id, "list_id": list_id, "idempotency_key": key}
        self._insert("importers", headers=json.dumps(kept), fate=fate, **ids, **times)
        return importer_id

    def importer(self, importer_id: str) -> sqlite3.Row | None:
        return self._one("SELECT * FROM importers WHERE id = ?", importer_id)

    def counts(self, importer_ids: Sequence[str]) -> dict[tuple[str, str], int]:
        rows = self._all(
            "SELECT importer_id, verdict, count(*) AS files FROM files "
            "WHERE importer_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2",
            json.dumps(list(importer_ids)),
        )
        return {(row["importer_id"], row["verdict"]): row["files"] for row in rows}

    def add_file(
        self,
        list_id: str,
        sent: SentFile,
        verdict: str,
        created_at: float,
        due_at: float,
        importer_id: str | None = None,
        matches: bool = True,
    ) -> str:
        file_id = random_id("lifc_")
        times = {"created_at": created_at, "updated_at": created_at, "due_at": due_at}
        ids = {"id": file_id, "list_id": list_id, "importer_id": importer_id}
        row = {**ids, **times, **sent._asdict(), "token": secrets.token_urlsafe(24)}
        self._insert("files", verdict=verdict, matches=matches and verdict == "successful", **row)
        return file_id

    def item(self, item_id: str) -> sqlite3.Row | None:
        found = "SELECT * FROM files WHERE id = ? AND verdict = 'successful'"
        return self._one(found, item_id)

    def has_photo(self, token: str) -> bool:
        return self._one("SELECT 1 FROM files WHERE token = ?", token) is not None

    def matches(self, list_id: str, sha256: str) -> bool:
        active = "SELECT 1 FROM files WHERE matches AND list_id = ? AND sha256 = ?"
        return self._one(active, list_id, sha256) is not None

    def number_of(self, table: str, record_id: str) -> int | None:
        row = self._one(f"SELECT number FROM {table} WHERE id = ?", record_id)  # noqa: S608
        return row["number"] if row else None

    def page(
        self,
        table: str,
        size: int,
        after: int | None,
        before: int | None,
        archived: bool | None = None,
    ) -> Page:
        """Newest first. One of `after` (older than) and `before` (newer than) at most."""
        known = "1" if archived is None else f"(archived_at IS NOT NULL) = {int(archived)}"
        side, order = ("number > ?", "ASC") if before else ("number < ?", "DESC")
        sql = f"SELECT * FROM {table} WHERE {known} AND {side} "  # noqa: S608
        rows = self._all(
            f"{sql} ORDER BY number {order} LIMIT ?", before or after or 2**62, size + 1
        )
        more, rows = len(rows) > size, rows[:size]
        if before:
            return Page(rows[::-1], newer=more, older=True)
        return Page(rows, newer=after is not None, older=more)

    def reply(self, place: str, key: str, now: float) -> sqlite3.Row | None:
        self._all("DELETE FROM replies WHERE created_at <= ?", now - KEY_LIFE_SECONDS)
        return self._one("SELECT * FROM replies WHERE place = ? AND key = ?", place, key)

    def keep_reply(self, **row: Any) -> None:
        self._insert("replies", **row)

    def ledger(self) -> list[LedgerEntry]:
        with self._lock:
            files: dict[str, list[SentFile]] = {}
            for row in self._all("SELECT * FROM files ORDER BY number"):
                sent = SentFile(*(row[name] for name in SentFile._fields))
                files.setdefault(row["importer_id"], []).append(sent)
            importers = self._all("SELECT * FROM importers ORDER BY number")
        return [_entry(row, tuple(files.get(row["id"], ()))) for row in importers]


def _entry(row: sqlite3.Row, files: tuple[SentFile, ...]) -> LedgerEntry:
    headers = json.loads(row["headers"])
    return LedgerEntry(row["id"], row["list_id"], row["idempotency_key"], headers, files)
