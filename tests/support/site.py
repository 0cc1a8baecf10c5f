"""An installation that serves pages behind one proxy, and a person who is signed in."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3

from tests.support.nginx import HOST, Nginx
from tests.support.people import PASSWORD
from tests.support.product import Product, product
from tests.support.slow_clients import http

NO_PERSONA = "http://127.0.0.1:9/api/v1"
PERSON = "192.0.2.7"
PATIENCE_SECONDS = 5


@dataclass(frozen=True)
class Site:
    """`cookie` is the session of the person."""

    installed: Product
    cookie: str

    def get(self, path: str) -> None:
        """Request a page as the proxy does."""
        headers = {"Cookie": self.cookie, "X-Forwarded-For": PERSON}
        url = f"{self.installed.url}{path}"
        answer = requests.get(url, headers=headers, timeout=PATIENCE_SECONDS)
        assert (answer.status_code, answer.history) == (200, [])


@contextmanager
def site_behind_a_proxy(folder: Path) -> Iterator[Site]:
    options = {"TRUSTED_PROXY_COUNT": "1", "ALLOWED_HOSTS": HOST}
    with product(folder, NO_PERSONA, PASSWORD, **options) as installed:
        installed.start_web()
        yield Site(installed, Person(installed.url).cookie)


class Person:
    """A person who signs in at a web server and uses its forms, without a browser."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()
        self._session.headers["X-Forwarded-For"] = PERSON
        self._session.get(f"{url}/account/login/")  # sets the CSRF cookie
        self.post("/account/login/", {"login": "officer", "password": PASSWORD})

    @property
    def cookie(self) -> str:
        return f"sessionid={self._session.cookies['sessionid']}"

    def get(self, path: str, *, stream: bool = False) -> requests.Response:
        return self._session.get(f"{self._url}{path}", timeout=PATIENCE_SECONDS, stream=stream)

    def post(
        self, path: str, data: Any, files: Any = None, *, seconds: float = PATIENCE_SECONDS
    ) -> requests.Response:
        return self._session.post(
            f"{self._url}{path}",
            data,
            files=files,
            headers=self.headers,
            allow_redirects=False,
            timeout=seconds,
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"X-CSRFToken": self._session.cookies["csrftoken"], "Accept": "application/json"}

    def upload(
        self, draft: str, files: dict[str, bytes], *, seconds: float = PATIENCE_SECONDS
    ) -> requests.Response:
        """Upload a group of files as the page's script does."""
        fields = {"name": [*files], "size": [str(len(data)) for data in files.values()]}
        parts = [("file", ("file", data)) for data in files.values()]
        return self.post(f"{draft}files/", fields, parts, seconds=seconds)

    def start_upload(self, draft: str, arrives: int, announced: int) -> socket.socket:
        """Send a part of an upload, and return its connection, which stays open."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._session.cookies.items())
        fields = {"Cookie": cookies, "Content-Length": str(announced), **self.headers}
        fields |= {"Host": "localhost", "Content-Type": "multipart/form-data; boundary=b"}
        part = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        head = [f"{name}: {value}" for name, value in fields.items()]
        connection = socket.create_connection(("127.0.0.1", int(self._url.rpartition(":")[2])))
        connection.sendall(http("POST", f"{draft}files/", *head, body=part + "x" * arrives))
        return connection


def through(proxy: Nginx) -> urllib3.HTTPSConnectionPool:
    """Return connections to the site through nginx, which check its certificate."""
    return urllib3.HTTPSConnectionPool(
        "127.0.0.1",
        proxy.port,
        server_hostname=HOST,
        ca_certs=str(proxy.certificate),
        headers={"Host": HOST},
        timeout=PATIENCE_SECONDS,
        retries=False,
    )
