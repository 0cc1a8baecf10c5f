"""Only our own account may read the files that our processes create, under any umask."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from django.conf import settings as project

from tests.support.postgresql import free_port

COMMANDS = {
    "manage.py": ["manage.py", "showmigrations"],
    "web server": ["-m", "gunicorn", "--config", "config/gunicorn.py"],
}
PATIENCE_SECONDS = 20


@contextmanager
def running(words: list[str], database: Path, port: int) -> Iterator[None]:
    """Run a command that opens a new database, as an account that shares its files."""
    environment = {"DEBUG": "True", "DATABASE_URL": f"sqlite:///{database}", "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=project.BASE_DIR,
        env=os.environ | environment,
        umask=0o022,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_new_database_is_private(name: str, tmp_path: Path) -> None:
    database, port = tmp_path / "db.sqlite3", free_port()
    with running(COMMANDS[name], database, port):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not database.exists():
            assert time.monotonic() < deadline
            if name == "web server":
                ask_for_the_database(port)
    assert oct(database.stat().st_mode & 0o777) == "0o600"


def ask_for_the_database(port: int) -> None:
    with suppress(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
