"""A thread keeps its connection to Persona, but only one that is clean and fresh."""

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from importers.persona import errors, sessions
from importers.persona.client import MAX_ANSWER_BYTES, Client, ImageFile
from tests.support.certificates import make_certificate, server_context
from tests.support.keeping_persona import ANSWER, KeepingPersona, Script, Talk, answer
from tests.support.persona_client import client_of, open_files, send
from tests.support.scripted_persona import drip, reset

BIG = ImageFile("a.jpg", "image/jpeg", b"\0" * 20_000_000)


@pytest.fixture(params=["http", "https"])
def tls(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """None, or TLS with a certificate that the client trusts."""
    if request.param == "http":
        return None
    certificate = make_certificate(tmp_path)
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    return server_context(certificate)


def read(client: Client) -> object:
    return client.importer("mprt_1")


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)


def answer_and_hang_up(talk: Talk) -> None:
    answer(talk)
    talk.close_connection = True


class TestKept:
    def test_later_requests_use_the_same_connection(self, tls: ssl.SSLContext | None) -> None:
        with KeepingPersona(tls=tls) as server:
            send(client_of(server.url))
            open_before = open_files()
            send(client_of(server.url))
            read(client_of(server.url))
            assert open_files() <= open_before
        assert len(server.connections) == 3
        assert len(set(server.connections)) == 1

    def test_connection_is_kept_after_a_refusal(self) -> None:
        def refuse(talk: Talk) -> None:
            talk.read_body()
            talk.say(422, b"{}")

        with KeepingPersona(refuse) as server:
            with pytest.raises(errors.Refused):
                send(client_of(server.url))
            send(client_of(server.url))
        assert len(set(server.connections)) == 1

    def test_chunked_answer_leaves_the_connection_usable(self) -> None:
        def say_in_chunks(talk: Talk) -> None:
            talk.read_body()
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            talk.wfile.write(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ANSWER), ANSWER))

        with KeepingPersona(say_in_chunks) as server:
            send(client_of(server.url))
            send(client_of(server.url))
        assert len(set(server.connections)) == 1

    def test_each_client_sends_its_own_key_on_the_shared_connection(self) -> None:
        with KeepingPersona() as server:
            for key in ("key-1", "key-2"):
                read(Client(server.url, key, version="2025-12-08", timeout_seconds=5))
        assert [headers["Authorization"] for headers in server.headers] == [
            "Bearer key-1",
            "Bearer key-2",
        ]
        assert len(set(server.connections)) == 1

    def test_cookie_is_not_sent_back(self) -> None:
        with KeepingPersona(lambda talk: talk.say(Set_Cookie="who=me; Path=/")) as server:
            read(client_of(server.url))
            read(client_of(server.url))
        assert not [headers for headers in server.headers if "Cookie" in headers]

    def test_deadline_applies_to_a_kept_connection(self, tls: ssl.SSLContext | None) -> None:
        def say_slowly(talk: Talk) -> None:
            drip(b"HTTP/1.1 200 OK\r\nX-Never-Ends: ")(talk.connection, talk.server.over)

        with KeepingPersona(answer, say_slowly, tls=tls) as server:
            send(client_of(server.url))
            started = time.monotonic()
            with pytest.raises(errors.NoAnswer, match="did not answer in time"):
                send(client_of(server.url, timeout=0.3))
            assert time.monotonic() - started < 2
        assert len(set(server.connections)) == 1


class TestThreads:
    def test_threads_do_not_share_a_connection(self) -> None:
        with KeepingPersona() as server:
            send(client_of(server.url))
            in_a_thread(lambda: send(client_of(server.url)))
            send(client_of(server.url))
        first, other, last = server.connections
        assert first == last != other

    def test_connection_is_closed_when_its_thread_ends(self, tls: ssl.SSLContext | None) -> None:
        with KeepingPersona(tls=tls) as server:
            in_a_thread(lambda: send(client_of(server.url)))
            assert server.closed.wait(5)


class TestNotReused:
    @pytest.mark.parametrize("request_again", [send, read])
    def test_connection_that_persona_closed_meanwhile_is_replaced(
        self, request_again: Callable[[Client], object], tls: ssl.SSLContext | None
    ) -> None:
        with KeepingPersona(answer_and_hang_up, tls=tls) as server:
            send(client_of(server.url))
            assert server.closed.wait(5)
            request_again(client_of(server.url))
        assert len(set(server.connections)) == 2

    def test_connection_that_was_idle_for_too_long_is_replaced(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with KeepingPersona() as server:
            send(client_of(server.url))
            monkeypatch.setattr(sessions, "MAX_IDLE_SECONDS", 0)
            open_before = open_files()
            send(client_of(server.url))
            assert server.closed.wait(5)
            assert open_files() <= open_before
        assert len(set(server.connections)) == 2

    def test_answer_to_no_request_is_not_taken_for_the_next(
        self, tls: ssl.SSLContext | None
    ) -> None:
        """It is not in the buffer of http.client, of 8 kB, but in that of TLS, of 16 kB."""

        def say_twice(talk: Talk) -> None:
            talk.read_body()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %4d\r\n\r\n"
            length = 8192 - len(head % 0)
            both = [ANSWER, ANSWER.replace(b"mprt_1", b"mprt_2")]
            talk.wfile.write(b"".join(head % length + said.ljust(length) for said in both))

        with KeepingPersona(say_twice, tls=tls) as server:
            assert send(client_of(server.url)).id == "mprt_1"
            assert send(client_of(server.url)).id == "mprt_1"
        assert len(set(server.connections)) == 2


def say_too_much(talk: Talk) -> None:
    talk.read_body()
    talk.say(body=bytes(MAX_ANSWER_BYTES + 1))


def say_half(talk: Talk) -> None:
    talk.read_body()
    talk.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    talk.close_connection = True


def say_too_late(talk: Talk) -> None:
    talk.read_body()
    talk.server.closed.wait(5)
    talk.say(body=ANSWER.replace(b"mprt_1", b"mprt_2"))


def hang_up(talk: Talk) -> None:
    talk.read_body()
    talk.close_connection = True


def crash(talk: Talk) -> None:
    reset(talk.connection, talk.server.over)
    talk.close_connection = True


class TestFailure:
    @pytest.mark.parametrize("fail", [say_too_much, say_half, say_too_late, hang_up, crash])
    def test_failure_is_in_doubt_and_leaves_no_connection(
        self, fail: Script, tls: ssl.SSLContext | None
    ) -> None:
        with KeepingPersona(answer, fail, tls=tls) as server:
            send(client_of(server.url))
            with pytest.raises(errors.NoAnswer) as caught:
                send(client_of(server.url, timeout=1))
            assert type(caught.value) is errors.NoAnswer
            assert len(server.connections) == 2, "the request was repeated"
            assert send(client_of(server.url)).id == "mprt_1"
        first, failed, next_one = server.connections
        assert first == failed != next_one

    def test_break_during_the_upload_is_in_doubt(self, tls: ssl.SSLContext | None) -> None:
        with KeepingPersona(answer, crash, tls=tls) as server:
            send(client_of(server.url))
            with pytest.raises(errors.NoAnswer) as caught:
                client_of(server.url).import_faces("lst_1", [BIG], "the-key")
            assert type(caught.value) is errors.NoAnswer
        assert len(server.connections) == 2
        assert len(set(server.connections)) == 1

    def test_persona_that_went_away_is_not_connected(self, tls: ssl.SSLContext | None) -> None:
        with KeepingPersona(answer_and_hang_up, tls=tls) as server:
            send(client_of(server.url))
            assert server.closed.wait(5)
        with pytest.raises(errors.NotConnected):
            send(client_of(server.url))
