"""Local Persona's HTTP: it reads requests, writes replies and knows nothing else."""

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakSet

from .messages import Dropped, Reply, SeenRequest

HOST = "127.0.0.1"
IDLE_SECONDS = 120

Headers = dict[str, str]
Respond = Callable[[SeenRequest, Callable[[], bytes]], tuple[Reply, Headers]]


class Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False  # so that closing waits for the requests in hand
    request_queue_size = 128

    def __init__(self, port: int, clock: Callable[[], float], respond: Respond) -> None:
        self.clock, self.respond = clock, respond
        self._connections: WeakSet[socket.socket] = WeakSet()
        super().__init__((HOST, port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # OSError: one side ended the connection
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Finish the requests in hand, and end the connections that wait for another."""
        for connection in list(self._connections):
            with suppress(OSError):  # the client closed it first
                connection.shutdown(socket.SHUT_RD)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "LocalPersona"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        about = self.command, target.path, dict(parse_qsl(target.query)), headers
        reply, own_headers = self.server.respond(
            SeenRequest(*about, self.server.clock()), self._body
        )
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in own_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise Dropped
        return body

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.clock() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: requests carry file names and keys."""
