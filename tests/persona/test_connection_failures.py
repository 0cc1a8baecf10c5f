"""Failures of the connection: not connected, or sent without an answer."""

import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from importers.local_persona import LocalPersona
from importers.persona import errors
from importers.persona.client import ImageFile
from tests.support.certificates import make_certificate, server_context
from tests.support.persona_client import PHOTO, client_of, error_after, open_files, send
from tests.support.scripted_persona import Scripted, drip, forge_tls_record, reset, speaks


class TestNotConnected:
    def test_refused_connection_is_not_connected(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as once:
            port = once.getsockname()[1]
        with pytest.raises(errors.NotConnected, match="No connection to Persona could be made"):
            send(client_of(f"http://127.0.0.1:{port}"))

    def test_unknown_host_is_not_connected(self) -> None:
        with pytest.raises(errors.NotConnected):
            send(client_of("http://persona.invalid"))

    def test_failed_tls_handshake_is_not_connected(self, local: LocalPersona) -> None:
        with pytest.raises(errors.NotConnected):
            send(client_of(local.url.replace("http:", "https:")))
        assert local.ledger() == []


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A certificate that the client trusts."""
        certificate = make_certificate(tmp_path)
        monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
        return certificate

    def test_forged_record_after_the_request_is_no_answer(self, certificate: Path) -> None:
        """Persona has the whole request and may have carried it out."""
        tls = server_context(certificate)
        with (
            Scripted(forge_tls_record, tls=tls) as server,
            pytest.raises(errors.NoAnswer) as caught,
        ):
            client_of(server.url).import_faces("lst_1", [PHOTO], "the-key")
        assert type(caught.value) is errors.NoAnswer
        assert PHOTO.data in server.requests[0]

    def test_untrusted_certificate_is_not_connected(
        self, certificate: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        other = make_certificate(tmp_path_factory.mktemp("other"))
        with (
            Scripted(reset, tls=server_context(other)) as server,
            pytest.raises(errors.NotConnected),
        ):
            client_of(server.url).import_faces("lst_1", [PHOTO], "the-key")
        assert server.requests == []


class TestNoAnswer:
    def test_reset_during_the_upload_is_no_answer(self) -> None:
        big = ImageFile("a.jpg", "image/jpeg", b"\0" * 20_000_000)
        with Scripted(reset, reads_body=False) as server, pytest.raises(errors.NoAnswer) as caught:
            client_of(server.url).import_faces("lst_1", [big], "the-key")
        assert type(caught.value) is errors.NoAnswer

    @pytest.mark.parametrize("fault", ["drop_before_body", "drop_unmade", "drop_made"])
    def test_dropped_connection_is_no_answer(
        self, local: LocalPersona, known: str, fault: str
    ) -> None:
        local.faults.inject(fault)
        with pytest.raises(errors.NoAnswer) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert type(caught.value) is errors.NoAnswer
        assert str(caught.value) == "The connection to Persona broke before it answered."
        assert len(local.ledger()) == (fault == "drop_made")

    def test_truncated_answer_is_no_answer(self) -> None:
        half = b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n" + b"{" * 20
        assert type(error_after(speaks(half))) is errors.NoAnswer

    @pytest.mark.parametrize("answer", [b"", b"what?\r\n\r\n", b"HTTP/1.1 2"])
    def test_answer_that_is_not_http_is_no_answer(self, answer: bytes) -> None:
        assert type(error_after(speaks(answer))) is errors.NoAnswer

    def test_timeout_is_no_answer(self, local: LocalPersona, known: str) -> None:
        local.faults.inject("slow", seconds=0.6)
        with pytest.raises(errors.NoAnswer) as caught:
            client_of(local.url, 0.1).import_faces(known, [PHOTO], "the-key")
        assert str(caught.value) == "Persona did not answer in time."

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX-Never-Ends: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ],
    )
    def test_dripping_answer_ends_at_the_deadline(self, head: bytes) -> None:
        started, open_before = time.monotonic(), open_files()
        with Scripted(drip(head)) as server, pytest.raises(errors.NoAnswer) as caught:
            send(client_of(server.url, timeout=0.3))
        assert time.monotonic() - started < 2
        assert str(caught.value) == "Persona did not answer in time."
        assert type(caught.value) is errors.NoAnswer
        assert open_files() <= open_before

    def test_dripping_tls_handshake_ends_at_the_deadline(self) -> None:
        """Its first record announces 16 kB."""
        dripping = Scripted(drip(b"\x16\x03\x03\x40\x00"), reads_head=False)
        started = time.monotonic()
        with dripping as server, pytest.raises(errors.NotConnected):
            send(client_of(server.url.replace("http:", "https:"), timeout=0.3))
        assert time.monotonic() - started < 2

    def test_stalled_upload_ends_at_the_deadline(self) -> None:
        def read_slowly(connection: socket.socket, over: threading.Event) -> None:
            while not over.wait(0.005):
                connection.recv(65_536)

        big = ImageFile("a.jpg", "image/jpeg", b"\0" * 30_000_000)
        slow = Scripted(read_slowly, reads_body=False)
        with slow as server, pytest.raises(errors.NoAnswer, match="in time"):
            client_of(server.url, timeout=0.2).import_faces("lst_1", [big], "the-key")
