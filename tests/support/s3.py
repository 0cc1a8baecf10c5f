"""A bucket of a real S3 server on loopback, and ways to make it fail."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.files.storage import default_storage

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI-made-up-secret"
NO_SUCH_FILE = f"imports/1/{'0' * 32}.jpg"


@dataclass
class S3:
    """A bucket as its owner sees it; `point_to` changes the endpoint in the settings."""

    client: Any
    url: str
    silent_url: str
    point_to: Callable[[str], None]

    def objects(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket="faces").get("Contents", [])
        return {entry["Key"]: self.read(entry["Key"]) for entry in listed}

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket="faces", Key=key)["Body"].read()
        return data

    def versions(self) -> list[str]:
        """The key of every version and delete marker."""
        answer = self.client.list_object_versions(Bucket="faces")
        rows = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
        return [row["Key"] for row in rows]

    def start_outage(self) -> None:
        self.point_to(self.silent_url)

    def end_outage(self) -> None:
        self.point_to(self.url)


def record_requests() -> list[tuple[str, Any]]:
    """Record every later request to S3: its method and the request itself."""
    sent: list[tuple[str, Any]] = []
    events = default_storage.connection.meta.client.meta.events  # type: ignore[attr-defined]
    events.register("before-send.s3", lambda request, **_: sent.append((request.method, request)))
    return sent


@contextmanager
def fixed_response(response: bytes) -> Iterator[str]:
    """Run a server that sends every client the same bytes and hangs up; yield its address."""

    def serve() -> None:
        while not closing.is_set():
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(response)

    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{address[1]}"
        closing.set()
        socket.create_connection(address).close()
        thread.join()
