"""The product as it is run: its own processes, database and files, for tests that kill them."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests
from django.conf import settings

START_SECONDS = 30


class Product:
    """One installation in a folder of its own, speaking to a Local Persona."""

    def __init__(self, folder: Path, persona_url: str, password: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: list[subprocess.Popen[bytes]] = []
        self._environment = os.environ | {
            "DEBUG": "True",
            "PORT": str(self.port),
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "MEDIA_STORAGE": f"file:{folder / 'media'}",
            "PERSONA_BASE_URL": persona_url,
            "PERSONA_API_KEY": "persona_sandbox_local",
            "DJANGO_SUPERUSER_PASSWORD": password,
        }
        self.manage("migrate", "--verbosity", "0")
        self.manage("createsuperuser", "--noinput", "--username", "officer", "--email", "o@o.test")

    def manage(self, *words: str) -> None:
        command = [sys.executable, "manage.py", *words]
        subprocess.run(command, cwd=settings.BASE_DIR, env=self._environment, check=True)

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

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as database, database:
            return database.execute(sql).fetchall()

    def stop(self) -> None:
        for process in self._running:
            if process.poll() is None:
                self.kill(process)

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
def product(folder: Path, persona_url: str, password: str) -> Iterator[Product]:
    installed = Product(folder, persona_url, password)
    try:
        yield installed
    finally:
        installed.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
