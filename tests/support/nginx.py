"""A real nginx with the configuration that we ship, in front of a web server of the test."""

import grp
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings as project

from tests.support.certificates import make_certificate
from tests.support.postgresql import free_port

HOST = "faces.example.org"
SHIPPED = Path(project.BASE_DIR, "deploy", "nginx.conf")
START_SECONDS = 10


@dataclass(frozen=True)
class Nginx:
    folder: Path
    certificate: Path
    port: int
    plain_port: int

    @property
    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    @property
    def bodies(self) -> Path:
        """The folder of request bodies that are still arriving."""
        return self.folder / "body"


@contextmanager
def nginx(web_port: int) -> Iterator[Nginx]:
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if binary is None:
        missing = "nginx is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, but CI must run these tests")
        pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="consentry-nginx-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # nginx's workers run as another user
        started = Nginx(folder, make_certificate(folder, HOST), free_port(), free_port())
        configuration = folder / "nginx.conf"
        configuration.write_text(_adapt(SHIPPED.read_text(), started, web_port))
        command = [binary, "-p", name, "-e", f"{name}/start.log", "-c", str(configuration)]
        process = subprocess.Popen([*command, "-g", "daemon off;"])
        try:
            _wait_for(started.port, process)
            yield started
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _adapt(shipped: str, target: Nginx, web_port: int) -> str:
    """Replace nothing but ports, paths, and the account of nginx's workers."""
    changes = [
        (r"\n *listen \[::\].*", ""),
        (r"listen 80\b", f"listen 127.0.0.1:{target.plain_port}"),
        (r"listen 443\b", f"listen 127.0.0.1:{target.port}"),
        (r"127\.0\.0\.1:8000", f"127.0.0.1:{web_port}"),
        (r"/etc/ssl/consentry/\w+\.pem", str(target.certificate)),
        (r"(/var/log/nginx|/var/lib/nginx|/run)/", f"{target.folder}/"),
        (r"user www-data;", f"user {_unprivileged_user()};"),
    ]
    for pattern, replacement in changes:
        shipped, count = re.subn(pattern, replacement, shipped)
        assert count, f"The shipped configuration has no {pattern!r}."
    return shipped


def _unprivileged_user() -> str:
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return f"{account.pw_name} {grp.getgrgid(account.pw_gid).gr_name}"


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError("nginx did not start.")
