"""The client's requests: bytes, headers, path."""

from pathlib import Path

import pytest

from importers.local_persona import LocalPersona
from importers.persona import errors
from importers.persona.client import ImageFile
from tests.support.persona_client import DRAWING, KEY, PHOTO, client_and_server, client_of, send
from tests.support.pictures import draw
from tests.support.scripted_persona import PENDING, importer, says


def test_import_is_multipart_byte_for_byte() -> None:
    with client_and_server(says("201 Created", importer(PENDING))) as (client, server):
        client.import_faces("lst_1", [PHOTO, DRAWING], "the-key")
    body = server.requests[0].partition(b"\r\n\r\n")[2]
    assert body == (
        b"--consentry-the-key\r\n"
        b'Content-Disposition: form-data; name="data[attributes][list-id]"\r\n'
        b"\r\n"
        b"lst_1\r\n"
        b"--consentry-the-key\r\n"
        b'Content-Disposition: form-data; name="data[attributes][image-files][]"; '
        b'filename="6f1e.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n"
        b"\r\n" + PHOTO.data + b"\r\n"
        b"--consentry-the-key\r\n"
        b'Content-Disposition: form-data; name="data[attributes][image-files][]"; '
        b'filename="77aa.png"\r\n'
        b"Content-Type: image/png\r\n"
        b"\r\n" + DRAWING.data + b"\r\n"
        b"--consentry-the-key--\r\n"
    )


def test_import_has_the_required_path_and_headers() -> None:
    with client_and_server(says("201 Created", importer(PENDING))) as (client, server):
        client.import_faces("lst_1", [PHOTO], "the-key")
    first, *headers = server.heads[0]
    assert first == "POST /importer/list-item/faces HTTP/1.1"
    assert {
        f"Authorization: Bearer {KEY}",
        "Persona-Version: 2025-12-08",
        "Key-Inflection: kebab",
        "Accept: application/json",
        "Idempotency-Key: the-key",
        "User-Agent: Consentry",
        "Content-Type: multipart/form-data; boundary=consentry-the-key",
    } <= set(headers)


def test_same_arguments_give_the_same_bytes() -> None:
    with client_and_server(says("201 Created", importer(PENDING))) as (client, server):
        send(client, "the-key")
        send(client_of(server.url), "the-key")
    assert server.requests[0] == server.requests[1]


def test_get_request_has_no_idempotency_key() -> None:
    with client_and_server(says("200 OK", importer(PENDING))) as (client, server):
        client.importer("mprt_1")
    first, *headers = server.heads[0]
    assert first == "GET /importers/mprt_1 HTTP/1.1"
    assert not [header for header in headers if header.startswith(("Idempotency", "Content-"))]


def test_id_cannot_change_the_path() -> None:
    with client_and_server(says("200 OK", importer(PENDING))) as (client, server):
        client.importer("../lists?x=1")
    assert server.heads[0][0] == "GET /importers/..%2Flists%3Fx%3D1 HTTP/1.1"


def test_local_persona_accepts_the_import(local: LocalPersona, known: str) -> None:
    file = ImageFile("a1.jpg", "image/jpeg", draw(1))
    made = client_of(local.url).import_faces(known, [file], "the-key")
    (entry,) = local.ledger()
    assert (entry.importer_id, entry.list_id) == (made.id, known)
    assert entry.idempotency_key == "the-key"
    assert [(sent.filename, sent.content_type) for sent in entry.files] == [
        ("a1.jpg", "image/jpeg")
    ]


def test_large_file_arrives_whole(local: LocalPersona, known: str) -> None:
    file = ImageFile("a1.jpg", "image/jpeg", draw(1) + b"\0" * 9_000_000)
    client_of(local.url).import_faces(known, [file], "the-key")
    assert local.ledger()[0].files[0].size == len(file.data)


class TestEnvironment:
    def test_netrc_does_not_replace_the_api_key(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login thief password other\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        with client_and_server(says("200 OK", importer(PENDING))) as (client, server):
            client.importer("mprt_1")
        assert f"Authorization: Bearer {KEY}" in server.heads[0]

    def test_environment_proxy_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with says("200 OK", importer(PENDING)) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv("no_proxy", "")
            with client_and_server(says("200 OK", importer(PENDING))) as (client, server):
                client.importer("mprt_1")
            assert (len(server.requests), proxy.requests) == (1, [])

    def test_environment_ca_bundle_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
        monkeypatch.setenv("CURL_CA_BUNDLE", "/nonexistent")
        with pytest.raises(errors.NotConnected):
            send(client_of("https://persona.invalid"))


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_redirect_is_not_followed(status: str) -> None:
    with says("200 OK", importer(PENDING)) as elsewhere:
        with says(f"{status} Moved", Location=f"{elsewhere.url}/importers/x") as server:
            client = client_of(server.url)
            with pytest.raises(errors.ServerTrouble) as caught:
                send(client)
            with pytest.raises(errors.ServerTrouble):
                client.importer("mprt_1")
        assert caught.value.status == int(status)
        assert len(server.requests) == 2
        assert elsewhere.requests == []
