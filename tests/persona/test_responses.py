"""How the client reads an answer that brings one importer."""

import json
from datetime import UTC, datetime

import pytest

from importers.local_persona import LocalPersona
from importers.persona import errors
from importers.persona.client import MAX_ANSWER_BYTES
from importers.persona.responses import Importer, Status
from tests.support.persona_client import PHOTO, client_and_server, client_of, error_after, send
from tests.support.scripted_persona import PENDING, importer, says, speaks


def test_importer_is_read_into_our_words() -> None:
    attributes = PENDING | {"status": "ready", "completed-at": "2026-07-14T17:17:23.032Z"}
    attributes |= {"successful-count": 104, "duplicate-count": 3, "error-count": 2}
    with client_and_server(says("201 Created", importer(attributes))) as (client, _):
        assert send(client) == Importer(
            id="mprt_1",
            status=Status.READY,
            raw_status="ready",
            created_at=datetime(2026, 7, 12, 17, 16, 54, 656000, tzinfo=UTC),
            completed_at=datetime(2026, 7, 14, 17, 17, 23, 32000, tzinfo=UTC),
            successful_count=104,
            duplicate_count=3,
            error_count=2,
        )


@pytest.mark.parametrize("spelling", ["camel", "snake", "kebab"])
def test_every_key_inflection_is_read(spelling: str) -> None:
    def spell(name: str) -> str:
        first, *others = name.split("-")
        joiner = {"camel": "", "snake": "_", "kebab": "-"}[spelling]
        title = str.title if spelling == "camel" else str
        return joiner.join([first, *map(title, others)])

    attributes = PENDING | {"successful-count": 5, "duplicate-count": 4, "error-count": 3}
    body = importer({spell(name): value for name, value in attributes.items()})
    with client_and_server(says("200 OK", body)) as (client, _):
        got = client.importer("mprt_1")
    assert (got.successful_count, got.duplicate_count, got.error_count) == (5, 4, 3)
    assert got.created_at is not None


@pytest.mark.parametrize("status", ["under-review", "READY", "unknown", ""])
def test_undocumented_status_is_kept_raw(status: str) -> None:
    with client_and_server(says("200 OK", importer(PENDING | {"status": status}))) as (client, _):
        got = client.importer("mprt_1")
    assert (got.status, got.raw_status) == (Status.UNKNOWN, status)


def test_undocumented_attributes_are_ignored() -> None:
    body = importer(PENDING | {"review-state": {"new": [1]}}, relationships={"x": {}})
    with client_and_server(says("200 OK", body | {"meta": {}, "included": []})) as (client, _):
        assert client.importer("mprt_1").status is Status.PENDING


def test_id_is_enough_if_attributes_are_hidden() -> None:
    attributes = {"created-at": None, "error-count": None}
    with client_and_server(says("201 Created", importer(attributes))) as (client, _):
        got = send(client)
    assert (got.id, got.status) == ("mprt_1", Status.UNKNOWN)
    assert (got.successful_count, got.duplicate_count, got.error_count) == (None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"type":"importer/list-i',
        b"",
        b"null",
        b"[]",
        b"<html></html>",
        b"\xff\xfe\xff",
        b"[" * 100_000,
        b'{"data": {"id": "mprt_1"}}',
        json.dumps({"data": {"attributes": PENDING}}).encode(),
        json.dumps({"data": {"id": 7, "attributes": PENDING}}).encode(),
        json.dumps({"data": {"id": "", "attributes": PENDING}}).encode(),
        json.dumps({"data": {"id": "m" * 101, "attributes": PENDING}}).encode(),
        json.dumps(importer(PENDING | {"error-count": "many"})).encode(),
        json.dumps(importer(PENDING | {"error-count": -1})).encode(),
        json.dumps(importer(PENDING | {"error-count": 2**31})).encode(),
        json.dumps(importer(PENDING | {"error-count": float("inf")})).encode(),
        json.dumps(importer(PENDING | {"created-at": "yesterday"})).encode(),
    ],
    ids=range(17),
)
def test_malformed_answer_is_unreadable(body: bytes) -> None:
    error = error_after(says("200 OK", body, Request_Id="req_7"))
    assert type(error) is errors.Unreadable
    assert (error.status, error.request_id) == (200, "req_7")
    assert str(error) == "Persona's answer (200) could not be read."


def test_answer_201_without_an_id_is_unreadable(local: LocalPersona, known: str) -> None:
    local.faults.inject("no_id")
    with pytest.raises(errors.Unreadable) as caught:
        client_of(local.url).import_faces(known, [PHOTO], "the-key")
    assert caught.value.status == 201
    assert len(local.ledger()) == 1


def test_chunked_answer_is_read() -> None:
    content = json.dumps(importer(PENDING)).encode()
    pieces = b"".join(b"%x\r\n%b\r\n" % (1, content[n : n + 1]) for n in range(len(content)))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client_and_server(speaks(head + pieces + b"0\r\n\r\n")) as (client, _):
        assert client.importer("mprt_1").id == "mprt_1"


def test_answer_of_the_longest_length_is_read() -> None:
    body = json.dumps(importer(PENDING)).encode().ljust(MAX_ANSWER_BYTES)
    with client_and_server(says("200 OK", body)) as (client, _):
        assert send(client).id == "mprt_1"


def test_longer_answer_counts_as_no_answer() -> None:
    error = error_after(says("200 OK", b" " * (MAX_ANSWER_BYTES + 1)))
    assert type(error) is errors.NoAnswer
    assert str(error) == "Persona's answer is too long."
