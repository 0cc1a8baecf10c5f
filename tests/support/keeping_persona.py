"""A server in place of Persona that keeps connections open and tells which request used which."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.support.scripted_persona import PENDING, importer

ANSWER = json.dumps(importer(PENDING)).encode()


class Talk(BaseHTTPRequestHandler):
    """One connection to the server, and the request that it answers now."""

    server: "KeepingPersona"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self) -> None:
        self.server.connections.append(self.client_address[1])
        self.server.headers.append(dict(self.headers))
        self.server.script_for_next()(self)

    do_POST = do_GET

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def say(self, status: int = 200, body: bytes = ANSWER, **headers: str) -> None:
        """Answer the request."""
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        # In one piece, which may hold more than one answer.
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def log_message(self, format: str, *args: object) -> None:
        pass


Script = Callable[[Talk], object]


def answer(talk: Talk) -> None:
    """Read the request and answer with an importer."""
    talk.read_body()
    talk.say()


class KeepingPersona(ThreadingHTTPServer):
    """Answers the first requests by these scripts, all later ones with an importer."""

    daemon_threads = True  # a kept connection lasts as long as the client's thread

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.connections: list[int] = []  # of each request, by the client's port
        self.headers: list[dict[str, str]] = []
        self.closed = threading.Event()  # a connection was closed
        self.over = threading.Event()
        self._scripts = iter(scripts)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    def script_for_next(self) -> Script:
        return next(self._scripts, answer)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent: clients under test break connections."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()
