"""A private PostgreSQL server for the tests.

`python -m tests.support.postgresql COMMAND…` runs a command with DATABASE_URL set to a new one.
"""

import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path
from typing import Any

import psycopg
import pytest

OLDEST_MAJOR = 15  # the oldest that Django supports
START_SECONDS = 30
HASTY = (
    *("--fsync=off", "--full_page_writes=off", "--synchronous_commit=off"),
    *("--wal_level=minimal", "--max_wal_senders=0", "--autovacuum=off", "--jit=off"),
)
FOLDERS = (  # Debian and Homebrew keep the binaries off PATH
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of an empty server that runs as long as this test process."""
    binaries = find_binaries()
    if binaries is None:
        missing = f"PostgreSQL {OLDEST_MAJOR} or newer is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with server(binaries, *HASTY) as url:
        yield url


def find_binaries() -> Path | None:
    """The folder of the newest server that Django supports."""
    candidates = [Path(name) for folder in FOLDERS for name in glob(f"{folder}/postgres")]
    if on_path := shutil.which("postgres"):
        candidates.append(Path(on_path))
    usable = [path for path in candidates if major_version(path) >= OLDEST_MAJOR]
    return max(usable, key=major_version).parent if usable else None


def major_version(postgres: Path) -> int:
    answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+", answer.stdout)
    return int(found[0]) if found else 0


@contextmanager
def server(binaries: Path, *settings: str) -> Iterator[str]:
    """Start a new cluster on a free loopback port, without passwords."""
    user = unprivileged_user()
    with new_cluster(binaries, user) as data:
        process, url = start(binaries, data, user, *settings)
        try:
            yield url
        finally:
            stop(process)


@contextmanager
def new_cluster(binaries: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
    """Create the data of a server that is not started yet, and yield its folder."""
    # In /tmp, since an unprivileged user must reach it and the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="consentry-pg-", dir="/tmp") as folder:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = Path(folder, "data")
        run_initdb(binaries, data, user)
        yield data


def unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root, so root runs it as another user."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def run_initdb(binaries: Path, data: Path, user: pwd.struct_passwd | None) -> None:
    command = [str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres"]
    command += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user(user))


def start(
    binaries: Path, data: Path, user: pwd.struct_passwd | None, *settings: str
) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server. Another process may use the free port first, so a new port is tried then."""
    for _ in range(3):
        port = free_port()
        process, url = launch(binaries, data, user, port, *settings)
        if answers(process, url, data):
            return process, url
        stop(process)
    raise RuntimeError(f"PostgreSQL did not start:\n{Path(data.parent, 'server.log').read_text()}")


def launch(
    binaries: Path, data: Path, user: pwd.struct_passwd | None, port: int, *settings: str
) -> tuple[subprocess.Popen[bytes], str]:
    with Path(data.parent, "server.log").open("ab") as output:
        process = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(data), *address(data.parent, port), *settings],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **as_user(user),
        )
    return process, f"postgresql://postgres@127.0.0.1:{port}/postgres"


def address(sockets: Path, port: int) -> list[str]:
    return [
        "--listen_addresses=127.0.0.1",
        f"--port={port}",
        f"--unix_socket_directories={sockets}",
    ]


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def free_port() -> int:
    """Return a free port below those that the system gives to whoever asks for any.

    Between this and the start of a server, such a port may be taken by a client of another test.
    """
    while True:
        port = random.randint(10_000, 32_000)  # noqa: S311  # not a secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def answers(process: subprocess.Popen[bytes], url: str, data: Path) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with psycopg.connect(url, connect_timeout=2) as connection:
                return connection.execute("show data_directory").fetchone() == (str(data),)
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # a "fast" shutdown: open connections are dropped
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(command: list[str]) -> int:
    """Run the command with DATABASE_URL set to a new server, and return its exit status."""
    binaries = find_binaries()
    if binaries is None:
        return 1 if os.environ.get("CI") == "true" else 0
    with server(binaries, *HASTY) as url:
        return subprocess.run(
            command, env=os.environ | {"DATABASE_URL": url}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
