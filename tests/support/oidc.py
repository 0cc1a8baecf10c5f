"""A real provider of OpenID Connect on this machine, and a person's way there and back."""

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from django.test import Client
from django.urls import reverse
from oidc_provider_mock import run_server_in_thread

from config.sign_in import Provider

JSON = "application/json"
DISCOVERY = "/.well-known/openid-configuration"
ROLES = (("face-officers", "officer"), ("auditors", "auditor"))


class Oidc:
    """The provider at `url`, and what it says about people."""

    def __init__(self, url: str) -> None:
        self.url = url

    def knows(self, subject: str, **claims: object) -> None:
        """Let the provider say this about the person."""
        requests.put(f"{self.url}/users/{subject}", json=claims, timeout=5).raise_for_status()


def provider(issuer: str, **changes: Any) -> Provider:
    """Return the settings for a provider."""
    given = {"issuer": issuer, "client_id": "consentry", "client_secret": "s3cret", "name": "Acme"}
    return Provider(**(given | {"roles": ROLES} | changes))


@contextmanager
def running() -> Iterator[Oidc]:
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    with run_server_in_thread() as server:
        # For a browser, another site than `localhost`, where our pages are.
        yield Oidc(f"http://127.0.0.1:{server.server_port}")


def leave(client: Client, address: str, **data: str) -> str:
    """Press a button that leads to the provider, and return the address there."""
    page = client.post(address, data)
    assert page.status_code == 200, page.content.decode()
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.content.decode())
    assert found
    return unescape(found[1])


def agree(address: str, subject: str, **changes: str) -> str:
    """Sign in at the provider as that person, and return the address of ours that follows."""
    parts = urlsplit(address)
    query = urlencode(dict(parse_qsl(parts.query)) | changes)
    there = parts._replace(query=query).geturl()
    answer = requests.post(there, data={"sub": subject}, allow_redirects=False, timeout=5)
    return answer.headers["Location"]


def sign_in(client: Client, subject: str, **data: str) -> Any:
    """Sign in through the provider, and return our last answer."""
    address = leave(client, reverse("account_single_sign_on"), **data)
    return client.get(agree(address, subject))


class Forged:
    """A provider whose answers a test chooses: `answers` has one for each path."""

    def __init__(self) -> None:
        forged = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body, kind = forged.answers[self.path]
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.answers: dict[str, tuple[int, bytes, str]] = {}
        self.discovery = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
        }
        self.says(DISCOVERY, self.discovery)

    def says(self, path: str, body: object, status: int = 200, kind: str = JSON) -> None:
        self.answers[path] = self.answer(body, status, kind)

    @staticmethod
    def answer(body: object, status: int = 200, kind: str = JSON) -> tuple[int, bytes, str]:
        return status, body if isinstance(body, bytes) else json.dumps(body).encode(), kind

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
