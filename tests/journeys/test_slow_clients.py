"""Slow and silent strangers at the real web server, without a proxy and behind our nginx.

`make soak` repeats each attack for minutes.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.support.nginx import HOST, Nginx
from tests.support.site import PERSON, Site, through
from tests.support.slow_clients import (
    at_most_three_times,
    connections,
    http,
    is_waiting,
    usual_seconds,
)

ROUNDS = 100 if "SOAK" in os.environ else 1
FORM = "Content-Type: application/x-www-form-urlencoded"
MULTIPART = "Content-Type: multipart/form-data; boundary=b"
TOKEN = "t" * 32
CHECKED = ("Host: localhost", f"Cookie: csrftoken={TOKEN}", f"X-Forwarded-For: {PERSON}")
LARGE_FILE = "/static/admin/js/vendor/jquery/jquery.js"
LARGE, SMALL = "Content-Length: 2000000", "Content-Length: 5000"
CHUNKED = "Transfer-Encoding: chunked"
PART_OF_A_BODY = "login=" + "a" * 100_000  # more than nginx keeps in memory


@dataclass(frozen=True)
class Attack:
    name: str
    connections: int
    sent: bytes


ATTACKS = [
    Attack("silent", 60, b""),
    Attack("unfinished headers", 40, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
    Attack("empty lines", 16, b"\r\n\r\n"),
    Attack("slow sign-in", 16, http("POST", "/account/login/", *CHECKED, FORM, SMALL, body="a=")),
    Attack("large sign-in", 16, http("POST", "/account/login/", *CHECKED, FORM, LARGE, body="a=")),
    Attack("upload", 16, http("POST", "/imports/1/files/", *CHECKED, MULTIPART, LARGE, body="--b")),
    Attack("unknown page", 16, http("POST", "/nowhere/", *CHECKED, FORM, LARGE, body="a=")),
    Attack(
        "unfinished chunk",
        16,
        http(
            "POST", "/account/login/", *CHECKED, FORM, "Transfer-Encoding: chunked", body="5\r\na"
        ),
    ),
    Attack("answers that nobody reads", 40, 20 * http("GET", LARGE_FILE, *CHECKED)),
    Attack("connection left open", 16, b"GET /healthz HTTP/1.0\r\n\r\n"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_slow_strangers_hold_no_thread_of_the_web_server(attack: Attack, site: Site) -> None:
    def seconds() -> list[float]:
        return [usual_seconds(lambda: site.get("/")), usual_seconds(lambda: site.get("/healthz"))]

    quiet = seconds()
    for _ in range(ROUNDS):
        with connections(site.installed.port, attack.connections, attack.sent):
            busy = seconds()
        assert at_most_three_times(quiet, busy)


def test_endless_headers_are_refused(site: Site) -> None:
    with connections(site.installed.port, 1, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000) as one:
        assert one[0].recv(100).startswith(b"HTTP/1.1 431 ")


def test_slow_strangers_at_nginx_slow_nobody_down(site: Site, proxy: Nginx) -> None:
    def ask(path: str) -> None:
        with through(proxy) as person:
            headers = {"Host": HOST, "Cookie": site.cookie}
            assert person.request("GET", path, headers=headers, redirect=False).status == 200

    def seconds() -> list[float]:
        return [usual_seconds(lambda: ask("/")), usual_seconds(lambda: ask("/healthz"))]

    quiet, tls = seconds(), ssl.create_default_context(cafile=proxy.certificate)
    for _ in range(ROUNDS):
        with strangers_at(proxy.port, tls) as strangers:
            busy = seconds()
            assert all(map(is_waiting, strangers))
            assert list(proxy.bodies.rglob("*")) == [], "a body on the disk has a name"
            assert proxy.bodies.stat().st_mode & 0o777 == 0o700
        assert at_most_three_times(quiet, busy)


@contextmanager
def strangers_at(port: int, tls: ssl.SSLContext) -> Iterator[list[socket.socket]]:
    """200 strangers who are silent or stop within the headers, and 20 who stop within a body."""
    body = http("POST", "/account/login/", f"Host: {HOST}", FORM, LARGE, body=PART_OF_A_BODY)
    with (
        connections(port, 100, b"") as silent,
        connections(port, 100, b"GET / HTTP/1.1\r\n", tls) as halfway,
        connections(port, 20, body, tls) as slow,
    ):
        yield [*silent, *halfway, *slow]
