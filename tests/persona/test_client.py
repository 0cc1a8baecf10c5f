"""The vendor client, over real HTTP: against Local Persona, or a server that says one thing."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from importers.local_persona import LocalPersona
from importers.persona import errors
from importers.persona.answers import Importer, PersonaList, RateLimit, Status
from importers.persona.client import LONGEST_ANSWER_BYTES, Client, Exchange, ImageFile
from tests.support.pictures import draw
from tests.support.scripted_persona import (
    PENDING,
    Scripted,
    drip,
    importer,
    importers,
    reset,
    says,
    speaks,
)

KEY = "persona_sandbox_SECRETKEY"
PHOTO = ImageFile("6f1e.jpg", "image/jpeg", b"\xff\xd8PHOTO BYTES\xff\xd9")
DRAWING = ImageFile("77aa.png", "image/png", b"\x89PNG\r\n\x1a\nDRAWING BYTES")


def every_list(client: Client) -> list[PersonaList]:
    rows: list[PersonaList] = []
    after: str | None = ""
    while after is not None:
        page, after = client.lists_page(after)
        rows += page
    return rows


def client_of(url: str, timeout: float = 5, seen: list[Exchange] | None = None) -> Client:
    note = seen.append if seen is not None else lambda exchange: None
    return Client(url, KEY, version="2025-12-08", timeout_seconds=timeout, on_exchange=note)


def send(client: Client, key: str = "") -> Importer:
    return client.import_faces("lst_1", [PHOTO, DRAWING], key or str(uuid4()))


@contextmanager
def listening_to(answer: Scripted) -> Iterator[tuple[Client, Scripted]]:
    with answer as server:
        yield client_of(server.url), server


def said(answer: Scripted) -> errors.PersonaError:
    """The error that an import meets where Persona answers so."""
    with answer as server, pytest.raises(errors.PersonaError) as caught:
        send(client_of(server.url))
    return caught.value


@pytest.fixture
def local() -> Iterator[LocalPersona]:
    with LocalPersona(api_key=KEY) as persona:
        yield persona


@pytest.fixture
def known(local: LocalPersona) -> str:
    return local.add_list("Known fraud")


class TestTheRequest:
    def test_is_persona_s_multipart_byte_for_byte(self) -> None:
        with listening_to(says("201 Created", importer(PENDING))) as (client, server):
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

    def test_goes_to_the_singular_path_with_every_header_that_persona_wants(self) -> None:
        with listening_to(says("201 Created", importer(PENDING))) as (client, server):
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

    def test_is_the_same_bytes_each_time_for_the_same_arguments(self) -> None:
        with listening_to(says("201 Created", importer(PENDING))) as (client, server):
            send(client, "the-key")
            send(client_of(server.url), "the-key")
        assert server.requests[0] == server.requests[1]

    def test_carries_no_idempotency_key_where_it_only_asks(self) -> None:
        with listening_to(says("200 OK", importer(PENDING))) as (client, server):
            client.importer("mprt_1")
        first, *headers = server.heads[0]
        assert first == "GET /importers/mprt_1 HTTP/1.1"
        assert not [line for line in headers if line.startswith(("Idempotency", "Content-"))]

    def test_an_id_cannot_lead_to_another_path(self) -> None:
        with listening_to(says("200 OK", importer(PENDING))) as (client, server):
            client.importer("../lists?x=1")
        assert server.heads[0][0] == "GET /importers/..%2Flists%3Fx%3D1 HTTP/1.1"

    def test_is_understood_by_local_persona(self, local: LocalPersona, known: str) -> None:
        file = ImageFile("a1.jpg", "image/jpeg", draw(1))
        made = client_of(local.url).import_faces(known, [file], "the-key")
        (entry,) = local.ledger()
        assert (entry.importer_id, entry.list_id) == (made.id, known)
        assert entry.idempotency_key == "the-key"
        assert [(sent.filename, sent.content_type) for sent in entry.files] == [
            ("a1.jpg", "image/jpeg")
        ]

    def test_a_file_of_megabytes_arrives_whole(self, local: LocalPersona, known: str) -> None:
        file = ImageFile("a1.jpg", "image/jpeg", draw(1) + b"\0" * 9_000_000)
        client_of(local.url).import_faces(known, [file], "the-key")
        assert local.ledger()[0].files[0].size == len(file.data)


class TestTheAnswer:
    def test_is_an_importer_in_our_words(self) -> None:
        told = PENDING | {"status": "ready", "completed-at": "2026-07-14T17:17:23.032Z"}
        told |= {"successful-count": 104, "duplicate-count": 3, "error-count": 2}
        with listening_to(says("201 Created", importer(told))) as (client, _):
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
    def test_is_understood_in_each_inflection_of_the_key(self, spelling: str) -> None:
        def spell(name: str) -> str:
            first, *others = name.split("-")
            joiner = {"camel": "", "snake": "_", "kebab": "-"}[spelling]
            title = str.title if spelling == "camel" else str
            return joiner.join([first, *map(title, others)])

        told = PENDING | {"successful-count": 5, "duplicate-count": 4, "error-count": 3}
        body = importer({spell(name): value for name, value in told.items()})
        with listening_to(says("200 OK", body)) as (client, _):
            got = client.importer("mprt_1")
        assert (got.successful_count, got.duplicate_count, got.error_count) == (5, 4, 3)
        assert got.created_at is not None

    @pytest.mark.parametrize("word", ["under-review", "READY", "unknown", ""])
    def test_of_a_status_in_no_paper_is_unknown_and_keeps_the_word(self, word: str) -> None:
        with listening_to(says("200 OK", importer(PENDING | {"status": word}))) as (client, _):
            got = client.importer("mprt_1")
        assert (got.status, got.raw_status) == (Status.UNKNOWN, word)

    def test_may_hold_attributes_and_members_in_no_paper(self) -> None:
        body = importer(PENDING | {"review-state": {"new": [1]}}, relationships={"x": {}})
        with listening_to(says("200 OK", body | {"meta": {}, "included": []})) as (client, _):
            assert client.importer("mprt_1").status is Status.PENDING

    def test_with_an_id_is_an_answer_even_where_the_key_hides_attributes(self) -> None:
        told = {"created-at": None, "error-count": None}
        with listening_to(says("201 Created", importer(told))) as (client, _):
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
    def test_that_cannot_be_read_is_unreadable(self, body: bytes) -> None:
        error = said(says("200 OK", body, Request_Id="req_7"))
        assert type(error) is errors.Unreadable
        assert (error.status, error.request_id) == (200, "req_7")
        assert str(error) == "Persona's answer (200) could not be read."

    def test_of_201_without_an_id_is_unreadable(self, local: LocalPersona, known: str) -> None:
        local.faults.inject("no_id")
        with pytest.raises(errors.Unreadable) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert caught.value.status == 201
        assert len(local.ledger()) == 1

    def test_may_come_in_chunks(self) -> None:
        content = json.dumps(importer(PENDING)).encode()
        pieces = b"".join(b"%x\r\n%b\r\n" % (1, content[n : n + 1]) for n in range(len(content)))
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        with listening_to(speaks(head + pieces + b"0\r\n\r\n")) as (client, _):
            assert client.importer("mprt_1").id == "mprt_1"


class TestAFailedConnection:
    def test_that_was_never_made_is_not_connected(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as once:
            port = once.getsockname()[1]
        with pytest.raises(errors.NotConnected, match="No connection to Persona could be made"):
            send(client_of(f"http://127.0.0.1:{port}"))

    def test_to_a_name_that_does_not_exist_is_not_connected(self) -> None:
        with pytest.raises(errors.NotConnected):
            send(client_of("http://persona.invalid"))

    def test_without_tls_at_the_other_end_is_not_connected(self, local: LocalPersona) -> None:
        with pytest.raises(errors.NotConnected):
            send(client_of(local.url.replace("http:", "https:")))
        assert local.ledger() == []

    def test_reset_while_the_body_is_sent_may_have_arrived(self) -> None:
        big = ImageFile("a.jpg", "image/jpeg", b"\0" * 20_000_000)
        with Scripted(reset, reads_body=False) as server, pytest.raises(errors.NoAnswer) as caught:
            client_of(server.url).import_faces("lst_1", [big], "the-key")
        assert type(caught.value) is errors.NoAnswer

    @pytest.mark.parametrize("fault", ["drop_before_body", "drop_unmade", "drop_made"])
    def test_dropped_at_any_point_of_the_request_is_no_answer(
        self, local: LocalPersona, known: str, fault: str
    ) -> None:
        local.faults.inject(fault)
        with pytest.raises(errors.NoAnswer) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert type(caught.value) is errors.NoAnswer
        assert str(caught.value) == "The connection to Persona broke before it answered."
        assert len(local.ledger()) == (fault == "drop_made")

    def test_cut_in_the_middle_of_the_answer_is_no_answer(self) -> None:
        half = b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n" + b"{" * 20
        assert type(said(speaks(half))) is errors.NoAnswer

    @pytest.mark.parametrize("answer", [b"", b"what?\r\n\r\n", b"HTTP/1.1 2"])
    def test_without_an_http_answer_is_no_answer(self, answer: bytes) -> None:
        assert type(said(speaks(answer))) is errors.NoAnswer

    def test_without_an_answer_in_time_is_no_answer(self, local: LocalPersona, known: str) -> None:
        local.faults.inject("slow", seconds=0.6)
        with pytest.raises(errors.NoAnswer) as caught:
            client_of(local.url, 0.1).import_faces(known, [PHOTO], "the-key")
        assert str(caught.value) == "Persona did not answer in time."

    @pytest.mark.parametrize("how", [b"Content-Length: 9000", b"Transfer-Encoding: chunked"])
    def test_that_drips_is_cut_at_the_deadline(self, how: bytes) -> None:
        dripping = Scripted(drip(b"HTTP/1.1 200 OK\r\n" + how + b"\r\n\r\n"))
        began = time.monotonic()
        with dripping as server, pytest.raises(errors.NoAnswer, match="did not end in time"):
            client_of(server.url, timeout=0.2).importer("mprt_1")
        assert time.monotonic() - began < 2

    def test_to_a_peer_that_does_not_take_the_body_is_cut_at_the_deadline(self) -> None:
        def slowly(connection: socket.socket, over: threading.Event) -> None:
            while not over.wait(0.005):
                connection.recv(65_536)

        big = ImageFile("a.jpg", "image/jpeg", b"\0" * 30_000_000)
        slow = Scripted(slowly, reads_body=False)
        with slow as server, pytest.raises(errors.NoAnswer, match="could not be sent"):
            client_of(server.url, timeout=0.2).import_faces("lst_1", [big], "the-key")

    def test_that_brings_more_than_we_read_is_no_answer(self) -> None:
        error = said(says("200 OK", b" " * (LONGEST_ANSWER_BYTES + 1)))
        assert type(error) is errors.NoAnswer
        assert str(error) == "Persona's answer is too long."

    def test_that_brings_as_much_as_we_read_is_read(self) -> None:
        body = json.dumps(importer(PENDING)).encode().ljust(LONGEST_ANSWER_BYTES)
        with listening_to(says("200 OK", body)) as (client, _):
            assert send(client).id == "mprt_1"


class TestARefusal:
    @pytest.mark.parametrize(
        ("fault", "kind", "status", "words"),
        [
            ("unauthorized", errors.KeyRefused, 401, "Token is invalid"),
            (
                "forbidden",
                errors.KeyRefused,
                403,
                "Forbidden: IP address is not permitted access to current environment",
            ),
            ("not_found", errors.NotFound, 404, "Record not found"),
            (
                "conflict",
                errors.Conflict,
                409,
                "Conflict: Attempted to update a record that was just modified. Please try again.",
            ),
            (
                "bad_request",
                errors.Refused,
                400,
                "Bad Request: data.attributes.list-id must be a string",
            ),
            (
                "unprocessable",
                errors.Refused,
                422,
                "Unprocessable entity: File must be under 2 bytes",
            ),
            ("server_error", errors.ServerTrouble, 500, "Internal server error"),
            ("unavailable", errors.ServerTrouble, 503, "Service unavailable"),
            ("bad_gateway", errors.ServerTrouble, 502, "Persona answered 502."),
            ("bad_gateway_made", errors.ServerTrouble, 502, "Persona answered 502."),
        ],
    )
    def test_is_of_its_kind_and_carries_persona_s_words(
        self,
        local: LocalPersona,
        known: str,
        fault: str,
        kind: type[errors.PersonaError],
        status: int,
        words: str,
    ) -> None:
        local.faults.inject(fault)
        with pytest.raises(errors.PersonaError) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert type(caught.value) is kind
        assert caught.value.status == status
        assert caught.value.words == words
        assert str(caught.value) == f"Persona answered {status}."

    def test_carries_the_request_id_and_the_pointer(self) -> None:
        trouble = {"title": "Record invalid", "source": {"pointer": "/data/attributes/list-id"}}
        error = said(says("422 No", {"errors": [trouble]}, Request_Id="req_9"))
        assert (error.request_id, error.pointer) == ("req_9", "/data/attributes/list-id")

    def test_for_a_key_used_with_other_files_is_key_reused(
        self, local: LocalPersona, known: str
    ) -> None:
        client = client_of(local.url)
        client.import_faces(known, [PHOTO], "the-key")
        with pytest.raises(errors.KeyReused) as caught:
            client.import_faces(known, [DRAWING], "the-key")
        assert caught.value.title == "Idempotency error"
        assert len(local.ledger()) == 1

    @pytest.mark.parametrize(
        ("status", "kind"), [(422, errors.Refused), (500, errors.ServerTrouble)]
    )
    def test_of_another_status_is_not_about_the_key_whatever_its_title(
        self, status: int, kind: type[errors.PersonaError]
    ) -> None:
        body = {"errors": [{"title": "Idempotency error"}]}
        assert type(said(says(f"{status} No", body))) is kind

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (302, errors.ServerTrouble),
            (400, errors.Refused),
            (402, errors.Refused),
            (405, errors.Refused),
            (408, errors.ServerTrouble),
            (413, errors.Refused),
            (415, errors.Refused),
            (504, errors.ServerTrouble),
            (599, errors.ServerTrouble),
        ],
    )
    def test_of_a_status_in_no_table_goes_by_its_hundred(
        self, status: int, kind: type[errors.PersonaError]
    ) -> None:
        assert type(said(says(f"{status} Something"))) is kind

    @pytest.mark.parametrize(
        "body",
        [
            {"errors": []},
            {"errors": "no"},
            {"errors": ["no"]},
            {"errors": {"title": "no"}},
            {"errors": [{"title": None, "details": None, "source": None}]},
            {"errors": [{"source": "/data"}]},
            {"errors": [{"source": {"pointer": None}}]},
            [],
            b"[" * 100_000,
        ],
    )
    def test_whose_body_has_another_shape_is_a_refusal_all_the_same(self, body: Any) -> None:
        error = said(says("422 No", body))
        assert type(error) is errors.Refused
        assert (error.words, error.pointer) == ("Persona answered 422.", "")

    def test_with_endless_words_is_cut_to_what_a_page_can_show(self) -> None:
        long = {"title": "t" * 9000, "details": "d" * 9000, "source": {"pointer": "p" * 9000}}
        error = said(says("422 No", {"errors": [long]}))
        assert (len(error.title), len(error.detail), len(error.pointer)) == (300, 2000, 300)


class TestTheRateLimit:
    def test_refusal_says_how_long_to_wait(self, local: LocalPersona, known: str) -> None:
        local.faults.inject("rate_limited", reset_seconds=17)
        with pytest.raises(errors.RateLimited) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert caught.value.wait_seconds == 17

    def test_refusal_without_headers_says_nothing_of_it(
        self, local: LocalPersona, known: str
    ) -> None:
        local.faults.inject("rate_limited_bare")
        with pytest.raises(errors.RateLimited) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert caught.value.wait_seconds is None

    def test_is_read_from_every_answer_whatever_the_case_of_its_headers(self) -> None:
        seen: list[Exchange] = []
        limit = {"ratelimit_limit": "300", "RATELIMIT_REMAINING": "280", "RateLimit_Reset": "53"}
        with says("404 No", **limit) as server, pytest.raises(errors.NotFound):
            client_of(server.url, seen=seen).importer("mprt_1")
        assert seen[0].rate_limit == RateLimit(limit=300, remaining=280, reset_seconds=53)

    @pytest.mark.parametrize("reset_after", ["soon", "", "1.5"])
    def test_that_cannot_be_read_is_none(self, reset_after: str) -> None:
        seen: list[Exchange] = []
        limit = {"RateLimit_Limit": "3", "RateLimit_Remaining": "2", "RateLimit_Reset": reset_after}
        with says("200 OK", importer(PENDING), **limit) as server:
            client_of(server.url, seen=seen).importer("mprt_1")
        assert seen[0].rate_limit is None


class TestARedirect:
    @pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
    def test_is_not_followed_and_the_key_goes_nowhere(self, status: str) -> None:
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


class TestLists:
    def test_of_every_type_are_told_page_by_page(self) -> None:
        with LocalPersona(api_key=KEY, seed=False) as local:
            kinds = ["list/face", "list/name", "list/face", "list/in-no-paper", "list/face"]
            made = [
                (local.add_list(f"List {n}", archived=n % 7 == 0, kind=kinds[n % 5]), n)
                for n in range(250)
            ]
            found = every_list(client_of(local.url))
            asked = local.requests()
        assert found == [
            PersonaList(made_id, kinds[n % 5], f"List {n}", n % 7 == 0)
            for made_id, n in reversed(made)
        ]
        assert [(request.path, request.query["page[size]"]) for request in asked] == [
            ("/api/v1/lists", "100")
        ] * 3
        assert [request.query.get("page[after]") for request in asked] == [
            None,
            made[150][0],
            made[50][0],
        ]

    def test_are_none_where_persona_has_none(self) -> None:
        with LocalPersona(api_key=KEY, seed=False) as local:
            assert client_of(local.url).lists_page() == ([], None)

    def test_end_where_a_page_is_empty_though_it_names_a_next_one(self) -> None:
        body = {"data": [], "links": {"prev": None, "next": "/api/v1/lists?page%5Bafter%5D=x"}}
        with listening_to(says("200 OK", body)) as (client, server):
            assert client.lists_page() == ([], None)
        assert len(server.requests) == 1

    def test_one_is_read_whatever_its_type(self, local: LocalPersona) -> None:
        other = local.add_list("Names", archived=True, kind="list/name")
        row = client_of(local.url).face_list(other)
        assert (row.id, row.type, row.name, row.archived) == (other, "list/name", "Names", True)


class TestAPageOfImporters:
    def test_holds_those_of_faces_of_the_newest(self) -> None:
        kinds = ["importer/account", "importer/list-item/face", "importer/face", "importer/new"]
        with listening_to(says("200 OK", importers(*kinds))) as (client, server):
            page = client.importers_page()
        assert [row.id for row in page.faces] == ["mprt_1", "mprt_2"]
        assert server.heads[0][0] == "GET /importers?page%5Bsize%5D=100 HTTP/1.1"

    def test_names_the_next_one_by_its_last_row_whatever_its_type(self) -> None:
        body = importers("importer/face", "importer/account", next="/api/v1/importers?x")
        with listening_to(says("200 OK", body)) as (client, server):
            page = client.importers_page("mprt_0")
        assert page.next == "mprt_1"
        assert server.heads[0][0] == (
            "GET /importers?page%5Bsize%5D=100&page%5Bafter%5D=mprt_0 HTTP/1.1"
        )

    def test_tells_when_its_oldest_row_was_made_whatever_its_type(self) -> None:
        body = importers("importer/face", "importer/account")
        body["data"][1]["attributes"] = {"createdAt": "2026-07-01T00:00:00.000Z"}
        with listening_to(says("200 OK", body)) as (client, _):
            assert client.importers_page().oldest == datetime(2026, 7, 1, tzinfo=UTC)

    def test_tells_no_moment_where_the_key_hides_it(self) -> None:
        body = importers("importer/face")
        body["data"][0]["attributes"] = {"status": "ready"}
        with listening_to(says("200 OK", body)) as (client, _):
            page = client.importers_page()
        assert (page.oldest, page.faces[0].created_at) == (None, None)

    def test_that_is_empty_is_the_last_though_it_names_a_next_one(self) -> None:
        with listening_to(says("200 OK", importers(next="/api/v1/importers?x"))) as (client, _):
            assert client.importers_page() == ([], None, None)

    @pytest.mark.parametrize("left_out", ["data", "links"])
    def test_without_rows_or_links_is_unreadable(self, left_out: str) -> None:
        body = importers("importer/face")
        del body[left_out]
        with (
            listening_to(says("200 OK", body)) as (client, _),
            pytest.raises(errors.Unreadable),
        ):
            client.importers_page()


class TestTheSurroundings:
    def test_a_netrc_does_not_replace_the_key(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login thief password other\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        with listening_to(says("200 OK", importer(PENDING))) as (client, server):
            client.importer("mprt_1")
        assert f"Authorization: Bearer {KEY}" in server.heads[0]

    def test_a_proxy_in_the_environment_sees_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with says("200 OK", importer(PENDING)) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv("no_proxy", "")
            with listening_to(says("200 OK", importer(PENDING))) as (client, server):
                client.importer("mprt_1")
            assert (len(server.requests), proxy.requests) == (1, [])

    def test_a_certificate_bundle_in_the_environment_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
        monkeypatch.setenv("CURL_CA_BUNDLE", "/nonexistent")
        with pytest.raises(errors.NotConnected):
            send(client_of("https://persona.invalid"))


class TestNothingSecret:
    @pytest.mark.parametrize(
        "fault",
        [
            *("drop_before_body", "drop_made", "broken_json", "no_id", "bad_gateway"),
            *("unauthorized", "unprocessable", "server_error", "rate_limited"),
        ],
    )
    def test_is_in_an_error_or_the_errors_that_it_comes_from(
        self, local: LocalPersona, known: str, fault: str
    ) -> None:
        local.faults.inject(fault)
        photo = ImageFile("her-name.jpg", "image/jpeg", b"PHOTO BYTES")
        with pytest.raises(errors.PersonaError) as caught:
            client_of(local.url).import_faces(known, [photo], "the-key")
        error: BaseException | None = caught.value
        while error:
            for text in (str(error), repr(error)):
                assert "SECRETKEY" not in text
                assert "her-name" not in text
                assert "PHOTO" not in text
            error = error.__cause__ or error.__context__

    def test_is_in_the_repr_of_the_client(self) -> None:
        assert "SECRETKEY" not in repr(client_of("http://127.0.0.1:1"))

    def test_is_in_what_is_told_of_an_exchange(self, local: LocalPersona, known: str) -> None:
        seen: list[Exchange] = []
        photo = ImageFile("her-name.jpg", "image/jpeg", b"PHOTO BYTES")
        client_of(local.url, seen=seen).import_faces(known, [photo], "the-key")
        assert not re.search("SECRETKEY|her-name|PHOTO", repr(seen))


class TestEveryExchangeIsTold:
    def test_with_its_path_but_without_its_query(self, local: LocalPersona) -> None:
        seen: list[Exchange] = []
        client = client_of(local.url, seen=seen)
        client.importers_page()
        (exchange,) = seen
        assert (exchange.method, exchange.path) == ("GET", "/importers")
        assert (exchange.status, exchange.error) == (200, None)
        assert exchange.request_id.startswith("req_")
        assert exchange.rate_limit == RateLimit(300, 299, exchange.rate_limit.reset_seconds)  # type: ignore[union-attr]
        assert 0 < exchange.seconds < 5

    def test_each_page_of_a_walk_as_one(self) -> None:
        seen: list[Exchange] = []
        with LocalPersona(api_key=KEY, seed=False) as local:
            for n in range(101):
                local.add_list(str(n))
            every_list(client_of(local.url, seen=seen))
        assert [exchange.path for exchange in seen] == ["/lists", "/lists"]

    def test_also_where_persona_refused(self, local: LocalPersona) -> None:
        seen: list[Exchange] = []
        with pytest.raises(errors.NotFound):
            client_of(local.url, seen=seen).face_list("lst_none")
        assert (seen[0].path, seen[0].status) == ("/lists/lst_none", 404)
        assert isinstance(seen[0].error, errors.NotFound)
        assert seen[0].request_id == seen[0].error.request_id

    def test_also_where_the_answer_could_not_be_read(self) -> None:
        seen: list[Exchange] = []
        with says("200 OK", b"{", Request_Id="req_1") as server, pytest.raises(errors.Unreadable):
            client_of(server.url, seen=seen).importer("mprt_1")
        assert (seen[0].status, seen[0].request_id) == (200, "req_1")
        assert isinstance(seen[0].error, errors.Unreadable)

    def test_also_where_none_came(self, local: LocalPersona, known: str) -> None:
        seen: list[Exchange] = []
        local.faults.inject("drop_unmade")
        with pytest.raises(errors.NoAnswer):
            client_of(local.url, seen=seen).import_faces(known, [PHOTO], "the-key")
        (exchange,) = seen
        assert (exchange.method, exchange.path) == ("POST", "/importer/list-item/faces")
        assert (exchange.status, exchange.request_id, exchange.rate_limit) == (None, "", None)
        assert isinstance(exchange.error, errors.NoAnswer)
