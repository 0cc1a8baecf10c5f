"""Local Persona's records, in memory or in a file that outlives a restart."""

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .messages import Reply, SeenRequest

LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
KEY_LIFE_SECONDS = 24 * 60 * 60
NEWEST = 2**62
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS lists (
    number INTEGER PRIMARY KEY, id UNIQUE, type, name, created_at, updated_at, archived_at
);
CREATE TABLE IF NOT EXISTS importers (
    number INTEGER PRIMARY KEY, id UNIQUE, list_id, idempotency_key, headers, files, fault,
    successful, duplicate, error, created_at, due_at
);
CREATE TABLE IF NOT EXISTS faces (list_id, sha256, PRIMARY KEY (list_id, sha256));
CREATE TABLE IF NOT EXISTS replies (
    path, key, fingerprint, reply, created_at, PRIMARY KEY (path, key)
);
"""


class SentFile(NamedTuple):
    filename: str
    content_type: str
    sha256: str
    size: int


@dataclass(frozen=True)
class LedgerEntry:
    """An import that was made. `headers` leaves out Authorization: this is kept on disk."""

    importer_id: str
    list_id: str
    idempotency_key: str | None
    headers: dict[str, str] = field(repr=False)
    files: tuple[SentFile, ...]


def random_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(24))


class Store:
    """One connection, one writer at a time. Table and column names never come from a client."""

    def __init__(self, path: Path | str | None = None) -> None:
        if path:
            Path(path).touch(mode=0o600)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None
        )
        self._db.row_factory = sqlite3.Row
        try:
            self._db.executescript(SCHEMA)
        except sqlite3.Error:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, self._db:  # commits, or rolls back on an exception
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def insert(self, table: str, **row: Any) -> list[sqlite3.Row]:
        """Return the new row, or nothing if it is there already."""
        into, marks = f"{table} ({', '.join(row)})", ", ".join("?" * len(row))
        sql = f"INSERT OR IGNORE INTO {into} VALUES ({marks}) RETURNING *"  # noqa: S608
        return self.rows(sql, *row.values())

    def find(self, table: str, record_id: str) -> sqlite3.Row | None:
        return next(iter(self.rows(f"SELECT * FROM {table} WHERE id = ?", record_id)), None)  # noqa: S608

    def page(self, table: str, size: int, before: int = NEWEST) -> list[sqlite3.Row]:
        """Return the newest rows whose number is below `before`."""
        sql = f"SELECT * FROM {table} WHERE number < ? ORDER BY number DESC LIMIT ?"  # noqa: S608
        return self.rows(sql, before, size)

    def reply(self, request: SeenRequest) -> tuple[Reply, str] | None:
        """Return the reply stored under the request's key, and the fingerprint of the first."""
        self.rows("DELETE FROM replies WHERE created_at <= ?", request.time - KEY_LIFE_SECONDS)
        sql = "SELECT * FROM replies WHERE path = ? AND key = ?"
        rows = self.rows(sql, request.path, request.key)
        return (Reply(**json.loads(rows[0]["reply"])), rows[0]["fingerprint"]) if rows else None

    def keep_reply(self, request: SeenRequest, reply: Reply, fingerprint: str) -> None:
        stored = {"reply": json.dumps(asdict(reply)), "fingerprint": fingerprint}
        about = {"path": request.path, "key": request.key, "created_at": request.time}
        self.insert("replies", **about, **stored)

    def ledger(self) -> list[LedgerEntry]:
        return [
            LedgerEntry(
                *(row["id"], row["list_id"], row["idempotency_key"], json.loads(row["headers"])),
                tuple(SentFile(*file) for file in json.loads(row["files"])),
            )
            for row in self.rows("SELECT * FROM importers ORDER BY number")
        ]
