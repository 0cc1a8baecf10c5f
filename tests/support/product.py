"""The product as it is run: its own processes, database and files, for tests that kill them."""

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import psycopg
import requests
from django.conf import settings
from psycopg.sql import SQL, Identifier

from tests.support.postgresql import free_port

START_SECONDS = 30


class Product:
    """One installation with its images in a folder of its own, speaking to a Local Persona."""

    def __init__(
        self, folder: Path, persona_url: str, password: str, database_url: str, **options: str
    ) -> None:
        self._database_url = database_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: list[subprocess.Popen[bytes]] = []
        given = {
            "DEBUG": "True",
            "PORT": str(self.port),
            "DATABASE_URL": database_url,
            "MEDIA_STORAGE": f"file:{folder / 'media'}",
            "PERSONA_BASE_URL": persona_url,
            "PERSONA_API_KEY": "persona_sandbox_local",
            "DJANGO_SUPERUSER_PASSWORD": password,
        }
        self._environment = os.environ | given | options
        self.manage("migrate", "--verbosity", "0")
        self.manage("createsuperuser", "--noinput", "--username", "officer", "--email", "o@o.test")

    def manage(self, *words: str, stdout: IO[bytes] | None = None) -> None:
        command = [sys.executable, "manage.py", *words]
        subprocess.run(
            command, cwd=settings.BASE_DIR, env=self._environment, stdout=stdout, check=True
        )

    def import_faces(self, faces: Path, list_id: str) -> None:
        """Signs and sends a folder of them."""
        attestation = faces.with_name("attestation.json")
        with attestation.open("wb") as output:
            self.manage("import_faces", "--attestation-template", stdout=output)
        told = ("--list", list_id, "--user", "officer", "--attestation", str(attestation))
        self.manage("import_faces", str(faces), *told)

    def start_web(self) -> subprocess.Popen[bytes]:
        web = self._start("-m", "gunicorn", "--config", "config/gunicorn.py")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                requests.get(f"{self.url}/healthz", timeout=1)
            except requests.ConnectionError:
                continue
            return web
        raise TimeoutError("The web server did not start.")

    def start_worker(self, *words: str) -> subprocess.Popen[bytes]:
        return self._start("manage.py", "forward", *words)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL to the process and its children: nothing of it can tidy up."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What `sql` finds, or nothing where it only writes; what it writes is kept."""
        with closing(self._connect()) as database, database:
            found = database.execute(sql)
            return found.fetchall() if found.description else []

    def stop(self) -> None:
        for process in self._running:
            if process.poll() is None:
                self.kill(process)

    def _connect(self) -> Any:
        if self._database_url.startswith("sqlite:///"):
            return sqlite3.connect(self._database_url.removeprefix("sqlite:///"), timeout=20)
        return psycopg.connect(self._database_url)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=settings.BASE_DIR,
            env=self._environment,
            start_new_session=True,
        )
        self._running.append(process)
        return process


@contextmanager
def product(
    folder: Path, persona_url: str, password: str, *, server: str = "", **options: str
) -> Iterator[Product]:
    """On SQLite, or on a new database of the PostgreSQL `server`; with `options` as settings."""
    own_file = nullcontext(f"sqlite:///{folder / 'db.sqlite3'}")
    with _database(server) if server else own_file as database_url:
        installed = Product(folder, persona_url, password, database_url, **options)
        try:
            yield installed
        finally:
            installed.stop()


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"product_{secrets.token_hex(4)}"
    with closing(psycopg.connect(server, autocommit=True)) as administration:
        administration.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=name).geturl()
        finally:
            drop = SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name))
            administration.execute(drop)
