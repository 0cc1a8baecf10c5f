"""An installed product: its own processes, database and files, for tests that kill them."""

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings as project
from psycopg.sql import SQL, Identifier

from tests.support.attestations import SIGNATURE
from tests.support.postgresql import free_port
from tests.support.servers import wait_for_answer

BASE_DIR: Path = project.BASE_DIR
INSTALL = """
import os

import django
from django.core.management import call_command

django.setup()
from importers.access.roles import assign
from importers.models import Person, Role

call_command("migrate", verbosity=0)
call_command("invite", "officer", first="Maya", last="Okafor", role=["officer"])
officer = Person.objects.get()
officer.set_password(os.environ["OFFICER_PASSWORD"])
officer.save()
"""
OPEN_DRAFT = """
from importers.models import FaceList, Import, Person

values = {"environment": "local", "persona_id": "lst_fraud", "name": "Fraud"}
face_list, _ = FaceList.objects.get_or_create(**values)
print(Import.objects.create(face_list=face_list, created_by=Person.objects.get()).pk)
"""

_installed: dict[tuple[str, str], bytes] = {}


class Product:
    """One installation with its images in a folder of its own, connected to a Local Persona."""

    def __init__(
        self, folder: Path, persona_url: str, password: str, database_url: str, **options: str
    ) -> None:
        self._database_url = database_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: list[subprocess.Popen[bytes]] = []
        settings = {
            "DEBUG": "True",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PORT": str(self.port),
            "DATABASE_URL": database_url,
            "MEDIA_STORAGE": f"file:{folder / 'media'}",
            "PERSONA_BASE_URL": persona_url,
            "PERSONA_API_KEY": "persona_sandbox_local",
            "OFFICER_PASSWORD": password,
        }
        self._environment = os.environ | settings | options
        self._install()

    def _install(self) -> None:
        """Install, on SQLite only once in this test process: then its database is copied."""
        key = (self.vendor, self._environment["OFFICER_PASSWORD"])
        if key in _installed:
            self._database_file.touch(mode=0o600)
            self._database_file.write_bytes(_installed[key])
            return
        self._run("-c", INSTALL)
        if self.vendor == "sqlite":
            with closing(self._connect()) as database:
                _installed[key] = database.serialize()

    def manage(self, *words: str, stdout: IO[bytes] | int | None = None) -> None:
        self._run("manage.py", *words, stdout=stdout)

    def shell(self, script: str) -> str:
        """Run a script with the product's settings, and return what it prints."""
        with TemporaryFile() as output:
            self.manage("shell", "--no-imports", "--command", script, stdout=output)
            output.seek(0)
            return output.read().decode()

    def open_draft(self) -> str:
        """Open a draft for a list that Persona need not know, and return its page's path."""
        return f"/imports/{self.shell(OPEN_DRAFT).strip()}/"

    def import_faces(self, faces: Path, list_id: str) -> None:
        """Sign the images in a folder and queue them to be sent."""
        attestation = faces.with_name("attestation.json")
        if not attestation.exists():
            with TemporaryFile() as output:
                self.manage("import_faces", "--attestation-template", stdout=output)
                output.seek(0)
                example = json.load(output)
            attestation.write_text(json.dumps(example | SIGNATURE))
        options = ("--list", list_id, "--user", "officer", "--attestation", str(attestation))
        self.manage("import_faces", str(faces), *options, stdout=subprocess.DEVNULL)

    def start_web(
        self, *, stderr: IO[bytes] | int | None = None, **settings: str
    ) -> subprocess.Popen[bytes]:
        """Start the web server, with settings of its own, and wait until it answers."""
        gunicorn = ("-m", "gunicorn", "--config", "config/gunicorn.py")
        web = self._start(*gunicorn, stderr=stderr, **settings)
        wait_for_answer(f"{self.url}/healthz")
        return web

    def start_worker(
        self, *words: str, stderr: IO[bytes] | int | None = None
    ) -> subprocess.Popen[bytes]:
        return self._start("manage.py", "forward", *words, stderr=stderr)

    def start_hurried_worker(self, *words: str) -> subprocess.Popen[bytes]:
        return self._start("-m", "tests.support.hurried_worker", *words)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Send SIGKILL to the process and its children, which leaves them no time to clean up."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run and commit `sql`, and return its rows, if it has any."""
        with closing(self._connect()) as database, database:
            cursor = database.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def execute(self, *statements: str) -> None:
        """Run the statements in one transaction."""
        with closing(self._connect()) as database, database:
            for statement in statements:
                database.execute(statement)

    @property
    def vendor(self) -> str:
        return "sqlite" if self._database_url.startswith("sqlite") else "postgresql"

    @property
    def _database_file(self) -> Path:
        return Path(self._database_url.removeprefix("sqlite:///"))

    def stop(self) -> None:
        for process in self._running:
            if process.poll() is None:
                self.kill(process)

    def _run(self, *words: str, stdout: IO[bytes] | int | None = None) -> None:
        subprocess.run(
            [sys.executable, *words],
            cwd=BASE_DIR,
            env=self._environment,
            stdout=stdout,
            check=True,
        )

    def _connect(self) -> Any:
        if self.vendor == "sqlite":
            return sqlite3.connect(self._database_file, timeout=20)
        return psycopg.connect(self._database_url)

    def _start(
        self, *words: str, stderr: IO[bytes] | int | None = None, **settings: str
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=BASE_DIR,
            env=self._environment | settings,
            stderr=stderr,
            start_new_session=True,
        )
        self._running.append(process)
        return process


@contextmanager
def product(
    folder: Path, persona_url: str, password: str, *, server: str = "", **options: str
) -> Iterator[Product]:
    """Install on SQLite, or on a new database of the PostgreSQL `server`, with extra settings."""
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
