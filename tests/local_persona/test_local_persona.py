import base64
import hashlib
import io
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command
from PIL import Image

from importers.local_persona import FAULTS, IMPORT, IMPORTERS, LocalPersona, SentFile
from importers.management.commands.local_persona import Command

FACES = "importer/list-item/faces"
ENVELOPE = {"Request-Id", "Persona-Environment-Id", "Persona-Organization-Id"}
RATE = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
DAY_SECONDS = 24 * 60 * 60


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Caller(requests.Session):
    """A client of one Local Persona: short paths, the right key, no proxies."""

    def __init__(self, persona: LocalPersona) -> None:
        super().__init__()
        self.trust_env = False
        self.persona = persona
        self.headers["Authorization"] = f"Bearer {persona.key}"

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        address = url if str(url).startswith("http") else f"{self.persona.url}/{url}"
        return super().request(method, address, *args, **{"timeout": 10, **kwargs})

    def send_faces(self, list_id: str, *contents: bytes, **headers: str) -> requests.Response:
        field = "data[attributes][image-files][]"
        files = [(field, (f"{n}.png", c, "image/png")) for n, c in enumerate(contents)]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = {"data[attributes][list-id]": list_id}
        return self.post(FACES, data=data, files=files, headers=named)

    def send_json(self, path: str, attributes: Any, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(path, json={"data": {"attributes": attributes}}, headers=named)

    def importer(self, importer_id: str) -> Any:
        return self.get(f"importers/{importer_id}").json()["data"]["attributes"]

    def counts(self, answer: requests.Response) -> tuple[int, int, int]:
        seen = self.importer(answer.json()["data"]["id"])
        return seen["successful-count"], seen["duplicate-count"], seen["error-count"]


def picture(shade: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 90, 30)).save(out, kind)
    return out.getvalue()


def errors(answer: requests.Response) -> tuple[int, list[dict[str, Any]]]:
    return answer.status_code, answer.json()["errors"]


def base64_file(content: bytes, name: str = "a.png") -> dict[str, str]:
    return {"data": base64.b64encode(content).decode(), "filename": name}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def persona(clock: Clock) -> Iterator[LocalPersona]:
    with LocalPersona(clock=clock) as persona:
        yield persona


@pytest.fixture
def client(persona: LocalPersona) -> Iterator[Caller]:
    with Caller(persona) as client:
        yield client


@pytest.fixture
def fraud(persona: LocalPersona) -> str:
    return persona.add_list(name="Fraud")


class TestAuthentication:
    def test_a_request_without_a_key_must_be_authenticated(self, client: Caller) -> None:
        del client.headers["Authorization"]
        answer = client.get("lists")
        title = "Must be authenticated to access this endpoint"
        assert errors(answer) == (401, [{"title": title}])

    @pytest.mark.parametrize("given", ["Bearer other", "Basic persona_sandbox_local", "Bearer é"])
    def test_any_other_key_is_an_invalid_token(self, client: Caller, given: str) -> None:
        answer = client.get("lists", headers={"Authorization": given.encode()})
        assert errors(answer) == (401, [{"title": "Token is invalid"}])

    def test_a_401_carries_no_header_of_persona(self, client: Caller) -> None:
        answer = client.get("lists", headers={"Authorization": "Bearer other"})
        assert not (ENVELOPE | RATE) & set(answer.headers)

    def test_the_accepted_key_can_be_chosen(self) -> None:
        with LocalPersona(api_key="persona_sandbox_mine") as persona, Caller(persona) as client:
            assert persona.key == "persona_sandbox_mine"
            assert client.get("lists").status_code == 200

    def test_a_401_does_not_use_up_the_idempotency_key(self, client: Caller, fraud: str) -> None:
        refused = client.send_faces(fraud, picture(1), Authorization="x", Idempotency_Key="k")
        assert refused.status_code == 401
        assert client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code == 201


class TestHeaders:
    @pytest.mark.parametrize(("path", "status"), [("lists", 200), ("lists/lst_none", 404)])
    def test_every_other_answer_carries_them(self, client: Caller, path: str, status: int) -> None:
        answer = client.get(path)
        assert answer.status_code == status
        assert set(answer.headers) >= ENVELOPE | RATE
        assert re.fullmatch(r"req_\w{24}", answer.headers["Request-Id"])
        assert answer.headers["Persona-Environment-Id"].startswith("env_")
        assert answer.headers["Persona-Organization-Id"].startswith("org_")
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert "Retry-After" not in answer.headers

    def test_each_answer_has_its_own_request_id(self, client: Caller) -> None:
        first, second = client.get("lists"), client.get("lists")
        assert first.headers["Request-Id"] != second.headers["Request-Id"]


class TestRateLimit:
    def test_the_window_is_fixed_and_begins_with_the_first_request(
        self, client: Caller, clock: Clock
    ) -> None:
        first = client.get("lists")
        assert [first.headers[name] for name in sorted(RATE)] == ["300", "299", "60"]
        clock.now += 59.5
        late = client.get("lists")
        assert [late.headers[name] for name in sorted(RATE)] == ["300", "298", "1"]
        clock.now += 0.5
        assert client.get("lists").headers["RateLimit-Remaining"] == "299"

    def test_beyond_the_limit_comes_429_until_the_window_ends(self, clock: Clock) -> None:
        with LocalPersona(rate_limit=2, clock=clock) as persona, Caller(persona) as client:
            assert [client.get("lists").status_code for _ in range(2)] == [200, 200]
            refused = client.get("lists")
            status, [problem] = errors(refused)
            assert (status, problem["title"]) == (429, "Rate limit exceeded")
            assert problem["details"].startswith("You have hit your rate limit of 2 requests")
            assert [refused.headers[name] for name in sorted(RATE)] == ["2", "0", "60"]
            clock.now += 60
            assert client.get("lists").status_code == 200

    def test_a_429_does_not_use_up_the_idempotency_key(self, clock: Clock) -> None:
        with LocalPersona(rate_limit=1, clock=clock) as persona, Caller(persona) as client:
            fraud = persona.add_list("Fraud")
            client.get("lists")
            refused = client.send_faces(fraud, picture(1), Idempotency_Key="k")
            clock.now += 60
            accepted = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert (refused.status_code, accepted.status_code) == (429, 201)

    def test_a_wrong_key_is_refused_before_it_counts(self, clock: Clock) -> None:
        with LocalPersona(rate_limit=1, clock=clock) as persona, Caller(persona) as client:
            client.get("lists", headers={"Authorization": "Bearer other"})
            assert client.get("lists").status_code == 200

    def test_it_can_be_switched_off(self) -> None:
        with LocalPersona(rate_limit=None) as persona, Caller(persona) as client:
            answers = [client.get("lists") for _ in range(310)]
            limits = client.get("rate-limits").json()
        assert {answer.status_code for answer in answers} == {200}
        assert not RATE & set(answers[0].headers)
        assert limits == {"data": []}

    def test_the_limits_can_be_read(self, client: Caller, clock: Clock) -> None:
        client.get("lists")
        clock.now += 10
        attributes = {"limit": 300, "remaining": 298, "seconds-to-reset": 50}
        expected = {"data": [{"type": "rate-limit/api", "attributes": attributes}]}
        assert client.get("rate-limits").json() == expected


class TestImport:
    def test_it_answers_201_and_pending_with_zeros(self, client: Caller, fraud: str) -> None:
        answer = client.send_faces(fraud, picture(1), picture(2))
        data = answer.json()["data"]
        assert (answer.status_code, set(answer.json())) == (201, {"data"})
        assert set(data) == {"type", "id", "attributes"}
        assert data["type"] == "importer/list-item/face"
        assert re.fullmatch(r"mprt_[1-9A-HJ-NP-Za-km-z]{24}", data["id"])
        assert data["attributes"] == {
            "status": "pending",
            "created-at": "2027-01-15T08:00:00.000Z",
            "completed-at": None,
            "error-count": 0,
            "successful-count": 0,
            "duplicate-count": 0,
        }

    def test_it_is_pending_until_the_delay_is_over_then_ready(self, clock: Clock) -> None:
        with LocalPersona(delay=5, clock=clock) as persona, Caller(persona) as client:
            answer = client.send_faces(persona.add_list("Fraud"), picture(1))
            importer_id = answer.json()["data"]["id"]
            clock.now += 4.999
            assert client.importer(importer_id) == answer.json()["data"]["attributes"]
            clock.now += 0.001
            seen = client.importer(importer_id)
        assert (seen["status"], seen["successful-count"]) == ("ready", 1)
        assert seen["completed-at"] == "2027-01-15T08:00:05.000Z"

    def test_png_and_jpeg_are_successful_and_all_else_is_an_error(
        self, client: Caller, fraud: str
    ) -> None:
        good = picture(1), picture(2, "JPEG")
        bad = picture(3, "GIF"), b"no picture", b"", picture(4)[:-20], picture(5, "JPEG")[:-40]
        assert client.counts(client.send_faces(fraud, *good, *bad)) == (2, 0, 5)

    def test_the_same_bytes_in_the_same_request_are_a_duplicate(
        self, client: Caller, fraud: str
    ) -> None:
        assert client.counts(client.send_faces(fraud, picture(1), picture(1))) == (1, 1, 0)

    def test_the_same_bytes_in_the_same_list_are_a_duplicate(
        self, client: Caller, fraud: str
    ) -> None:
        client.send_faces(fraud, picture(1))
        assert client.counts(client.send_faces(fraud, picture(1), picture(2))) == (1, 1, 0)

    def test_the_same_bytes_in_another_list_are_successful(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        client.send_faces(fraud, picture(1))
        other = persona.add_list("Other")
        assert client.counts(client.send_faces(other, picture(1))) == (1, 0, 0)

    def test_a_hundred_files_pass(self, client: Caller, fraud: str) -> None:
        answer = client.send_faces(fraud, *(picture(shade) for shade in range(100)))
        assert client.counts(answer) == (100, 0, 0)

    def test_json_with_base64_is_accepted(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        files = [base64_file(picture(1)), base64_file(b"no picture", "b.png")]
        answer = client.send_json(FACES, {"list-id": fraud, "image-files": files})
        assert (answer.status_code, client.counts(answer)) == (201, (1, 0, 1))
        assert [file.filename for file in persona.ledger()[0].files] == ["a.png", "b.png"]

    @pytest.mark.parametrize(
        ("list_id", "files"), [("listId", "imageFiles"), ("list_id", "image_files")]
    )
    def test_camel_and_snake_case_are_accepted(
        self, client: Caller, fraud: str, list_id: str, files: str
    ) -> None:
        attributes = {list_id: fraud, files: [base64_file(picture(1))]}
        assert client.send_json(FACES, attributes).status_code == 201
        named = [(f"data[attributes][{files}][]", ("a.png", picture(2), "image/png"))]
        data = {f"data[attributes][{list_id}]": fraud}
        assert client.post(FACES, data=data, files=named).status_code == 201

    @pytest.mark.parametrize(
        ("attributes", "details"),
        [
            ({"image-files": [base64_file(b"x")]}, "data.attributes.list-id is missing"),
            ({"list-id": "lst_1"}, "data.attributes.image-files is missing"),
            ({"list-id": "lst_1", "image-files": []}, "data.attributes.image-files is missing"),
            ({"list-id": 5, "image-files": ["x"]}, "data.attributes.list-id must be a string"),
            (
                {"list-id": "lst_1", "image-files": "x"},
                "data.attributes.image-files must be an array",
            ),
            (
                {"list-id": "lst_1", "image-files": [{"data": "@@", "filename": "a"}]},
                "data.attributes.image-files must be files",
            ),
            (None, "data.attributes.list-id is missing"),
        ],
    )
    def test_what_is_missing_or_misshapen_is_a_bad_request(
        self, client: Caller, attributes: Any, details: str
    ) -> None:
        problem = {"title": "Bad Request", "details": details}
        assert errors(client.send_json(FACES, attributes)) == (400, [problem])

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("application/json", b"{"),
            ("application/json", b"\xff\xfe"),
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="'),
        ],
    )
    def test_a_body_that_cannot_be_read_is_a_bad_request(
        self, client: Caller, kind: str, body: bytes
    ) -> None:
        status, [problem] = errors(client.post(FACES, data=body, headers={"Content-Type": kind}))
        assert (status, problem["title"]) == (400, "Bad Request")

    def test_a_file_field_without_brackets_is_no_array(self, client: Caller, fraud: str) -> None:
        files = {"data[attributes][image-files]": ("a.png", picture(1), "image/png")}
        data = {"data[attributes][list-id]": fraud}
        status, [problem] = errors(client.post(FACES, data=data, files=files))
        assert (status, problem["details"]) == (
            400,
            "data.attributes.image-files must be an array",
        )

    def test_an_unknown_list_is_not_found(self, client: Caller) -> None:
        answer = client.send_faces("lst_none", picture(1))
        assert errors(answer) == (404, [{"title": "Record not found"}])

    def test_an_unknown_list_can_be_a_bad_request(self) -> None:
        with LocalPersona(unknown_list=400) as persona, Caller(persona) as client:
            status, [problem] = errors(client.send_faces("lst_none", picture(1)))
        assert (status, problem["title"]) == (400, "Bad Request")

    @pytest.mark.parametrize(
        "about", [{"archived": True}, {"kind": "list/email-address"}], ids=["archived", "emails"]
    )
    def test_an_archived_list_or_one_without_faces_is_unprocessable(
        self, client: Caller, persona: LocalPersona, about: Any
    ) -> None:
        answer = client.send_faces(persona.add_list("Other", **about), picture(1))
        status, [problem] = errors(answer)
        assert (status, problem["title"]) == (422, "Unprocessable entity")
        assert problem["source"] == {"pointer": "/data/attributes/list-id"}
        assert persona.ledger() == []

    def test_a_body_of_unknown_length_is_refused(self, client: Caller) -> None:
        assert client.post(FACES, data=iter([b"{}"])).status_code == 411

    def test_a_body_cut_short_is_not_executed(self, persona: LocalPersona) -> None:
        host, port = persona.url.split("/")[2].split(":")
        head = f"POST /api/v1/{FACES} HTTP/1.1\r\nContent-Length: 99\r\n\r\nshort"
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head.encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""
        assert [request.status for request in persona.requests()] == [None]


class TestIdempotency:
    def test_the_same_key_gets_the_same_answer_and_makes_one_import(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        first = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        again = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["Request-Id"] == first.headers["Request-Id"]
        assert again.headers["RateLimit-Remaining"] == "298"
        assert len(persona.ledger()) == 1

    def test_a_reused_key_with_other_parameters_is_answered_400(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        client.send_faces(fraud, picture(1), Idempotency_Key="abc_123")
        status, [problem] = errors(client.send_faces(fraud, picture(2), Idempotency_Key="abc_123"))
        assert (status, problem["title"]) == (400, "Idempotency error")
        assert problem["details"] == (
            "Keys for idempotent requests can only be used with the same parameters they were "
            "first used with. Try using a key other than 'abc_123' if you meant to execute a "
            "different request."
        )
        assert len(persona.ledger()) == 1

    def test_the_order_of_files_is_a_parameter(self, client: Caller, fraud: str) -> None:
        client.send_faces(fraud, picture(1), picture(2), Idempotency_Key="k")
        answer = client.send_faces(fraud, picture(2), picture(1), Idempotency_Key="k")
        assert answer.status_code == 400

    def test_a_key_belongs_to_one_path(self, client: Caller, fraud: str) -> None:
        client.send_faces(fraud, picture(1), Idempotency_Key="k")
        made = client.send_json("list/faces", {"name": "New"}, Idempotency_Key="k")
        assert made.status_code == 201

    def test_a_refusal_is_replayed_even_if_it_would_pass_now(
        self, client: Caller, fraud: str
    ) -> None:
        client.delete(f"lists/{fraud}")
        first = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        again = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert (first.status_code, again.status_code) == (422, 422)
        assert again.headers["Request-Id"] == first.headers["Request-Id"]

    def test_a_key_is_forgotten_after_24_hours(
        self, client: Caller, persona: LocalPersona, clock: Clock, fraud: str
    ) -> None:
        client.send_faces(fraud, picture(1), Idempotency_Key="k")
        clock.now += DAY_SECONDS - 1
        client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert len(persona.ledger()) == 1
        clock.now += 1
        client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert len(persona.ledger()) == 2

    def test_without_a_key_each_request_is_executed(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        client.send_faces(fraud, picture(1))
        client.send_faces(fraud, picture(1))
        assert [entry.idempotency_key for entry in persona.ledger()] == [None, None]

    def test_a_key_on_a_get_has_no_effect(self, client: Caller) -> None:
        headers = {"Idempotency-Key": "k"}
        before = client.get("lists", headers=headers).json()
        client.persona.add_list("New")
        assert client.get("lists", headers=headers).json() != before

    def test_while_the_first_request_is_running_its_key_is_in_conflict(self) -> None:
        statuses = self._two_at_once("conflict")
        assert statuses == [201, 409, 201]

    def test_the_second_request_may_wait_for_the_first_instead(self) -> None:
        statuses = self._two_at_once("wait")
        assert statuses == [201, 201, 201]

    def _two_at_once(self, in_flight: str) -> list[int]:
        """Statuses of the slow first request, the one meanwhile, and one afterwards."""
        running, go_on = threading.Event(), threading.Event()

        def pause(seconds: float) -> None:
            running.set()
            go_on.wait(10)

        with (
            LocalPersona(in_flight=in_flight, pause=pause) as persona,
            ThreadPoolExecutor(2) as pool,
        ):
            persona.faults.inject("slow", where=IMPORT)
            fraud = persona.add_list("Fraud")

            def send() -> int:
                with Caller(persona) as client:
                    return client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code

            first = pool.submit(send)
            assert running.wait(10)
            second = pool.submit(send)
            if in_flight == "conflict":
                second.result(10)
            go_on.set()
            statuses = [first.result(10), second.result(10), send()]
            assert len(persona.ledger()) == 1
        return statuses


class TestImporters:
    def test_an_unknown_importer_is_not_found(self, client: Caller) -> None:
        assert errors(client.get("importers/mprt_none")) == (404, [{"title": "Record not found"}])

    def test_the_index_is_newest_first_and_needs_no_links(self, client: Caller, fraud: str) -> None:
        made = [client.send_faces(fraud, picture(n)).json()["data"]["id"] for n in range(3)]
        index = client.get("importers").json()
        assert [importer["id"] for importer in index["data"]] == made[::-1]
        assert [i["attributes"]["successful-count"] for i in index["data"]] == [1, 1, 1]
        assert index["links"] == {"prev": None, "next": None}


class TestPagination:
    @pytest.fixture
    def ids(self, clock: Clock) -> Iterator[tuple[Caller, list[str]]]:
        with LocalPersona(seed=False, clock=clock) as persona, Caller(persona) as client:
            made = [persona.add_list(f"List {number}") for number in range(25)]
            yield client, made[::-1]

    def test_ten_come_by_default_with_a_relative_link_to_the_next(
        self, ids: tuple[Caller, list[str]]
    ) -> None:
        client, newest_first = ids
        page = client.get("lists").json()
        assert [row["id"] for row in page["data"]] == newest_first[:10]
        expected = f"/api/v1/lists?page%5Bafter%5D={newest_first[9]}"
        assert page["links"] == {"prev": None, "next": expected}

    def test_links_lead_to_the_end_and_back(self, ids: tuple[Caller, list[str]]) -> None:
        client, newest_first = ids
        host = client.persona.url.removesuffix("/api/v1")
        pages = [client.get("lists?page[size]=9&filter[status]=active").json()]
        while pages[-1]["links"]["next"]:
            pages.append(client.get(host + pages[-1]["links"]["next"]).json())
        assert [row["id"] for page in pages for row in page["data"]] == newest_first
        assert [len(page["data"]) for page in pages] == [9, 9, 7]
        back = client.get(host + pages[2]["links"]["prev"]).json()
        assert back["data"] == pages[1]["data"]
        assert client.get(host + back["links"]["prev"]).json() == pages[0]

    def test_a_hundred_fit_on_a_page(self, ids: tuple[Caller, list[str]]) -> None:
        client, newest_first = ids
        page = client.get("lists", params={"page[size]": 100}).json()
        assert [row["id"] for row in page["data"]] == newest_first

    @pytest.mark.parametrize(
        "query",
        ["page[size]=0", "page[size]=101", "page[size]=x", "page[after]=lst_x", "filter[status]=x"],
    )
    def test_nonsense_is_a_bad_request(self, client: Caller, query: str) -> None:
        status, [problem] = errors(client.get(f"lists?{query}"))
        assert (status, problem["title"]) == (400, "Bad Request")

    def test_both_cursors_at_once_are_a_bad_request(self, client: Caller, fraud: str) -> None:
        query = {"page[after]": fraud, "page[before]": fraud}
        assert client.get("lists", params=query).status_code == 400


class TestLists:
    def test_a_new_store_is_seeded(self, client: Caller) -> None:
        seen = client.get("lists").json()["data"]
        kinds = [
            (row["attributes"]["name"], row["type"], row["attributes"]["status"]) for row in seen
        ]
        assert kinds == [
            ("Confirmed fraud", "list/face", "active"),
            ("Watch list", "list/face", "active"),
            ("Old watch list", "list/face", "archived"),
            ("Blocked email addresses", "list/email-address", "active"),
        ]

    def test_it_can_start_empty(self) -> None:
        with LocalPersona(seed=False) as persona, Caller(persona) as client:
            empty = {"data": [], "links": {"prev": None, "next": None}}
            assert client.get("lists").json() == empty

    def test_one_is_created_retrieved_and_archived(self, client: Caller, clock: Clock) -> None:
        made = client.send_json("list/faces", {"name": "My New List"})
        data = made.json()["data"]
        assert made.status_code == 201
        assert re.fullmatch(r"lst_\w{24}", data["id"])
        assert data == {
            "type": "list/face",
            "id": data["id"],
            "attributes": {
                "name": "My New List",
                "status": "active",
                "archived-at": None,
                "created-at": "2027-01-15T08:00:00.000Z",
                "updated-at": "2027-01-15T08:00:00.000Z",
            },
            "relationships": {"list-items": {"data": []}},
        }
        assert client.get(f"lists/{data['id']}").json() == {"data": data}
        clock.now += 1
        archived = client.delete(f"lists/{data['id']}")
        attributes = archived.json()["data"]["attributes"]
        assert (archived.status_code, attributes["status"]) == (200, "archived")
        assert attributes["archived-at"] == "2027-01-15T08:00:01.000Z"
        assert client.get(f"lists/{data['id']}").json() == archived.json()

    def test_a_list_needs_a_name(self, client: Caller) -> None:
        problem = {"title": "Bad Request", "details": "data.attributes.name is missing"}
        assert errors(client.send_json("list/faces", {})) == (400, [problem])

    @pytest.mark.parametrize(("status", "number"), [("active", 3), ("archived", 1)])
    def test_they_are_filtered_by_status(self, client: Caller, status: str, number: int) -> None:
        seen = client.get("lists", params={"filter[status]": status}).json()["data"]
        assert [row["attributes"]["status"] for row in seen] == [status] * number


class TestItems:
    def attributes(self, list_id: str, content: bytes) -> dict[str, Any]:
        return {"list-id": list_id, "face-photo": base64_file(content, "photo é.png")}

    def test_one_is_created_becomes_active_and_is_archived(self, clock: Clock) -> None:
        with LocalPersona(delay=5, clock=clock) as persona, Caller(persona) as client:
            photo = self.attributes(persona.add_list("Fraud"), picture(1))
            made = client.send_json("list-item/faces", photo)
            data = made.json()["data"]
            address = f"list-item/faces/{data['id']}"
            clock.now += 5
            active = client.get(address).json()["data"]["attributes"]
            archived = client.delete(address)
        assert made.status_code == 201
        assert (data["type"], data["id"][:5]) == ("list-item/face", "lifc_")
        assert data["attributes"]["status"] == "pending"
        assert data["attributes"]["face-photo"]["byte-size"] == len(picture(1))
        assert data["relationships"]["creator"]["data"]["type"] == "api-key"
        assert (active["status"], active["match-count"], active["redacted-at"]) == (
            "active",
            0,
            None,
        )
        assert archived.status_code == 200
        assert archived.json()["data"]["attributes"]["status"] == "archived"
        assert archived.json()["data"]["attributes"]["archived-at"] == "2027-01-15T08:00:05.000Z"

    def test_the_photo_address_needs_its_token_and_no_key(self, client: Caller, fraud: str) -> None:
        made = client.send_json("list-item/faces", self.attributes(fraud, picture(1)))
        url = made.json()["data"]["attributes"]["face-photo"]["url"]
        del client.headers["Authorization"]
        assert client.get(url).headers["Content-Type"] == "image/png"
        assert client.get(url.split("?")[0]).status_code == 404

    def test_the_same_face_twice_is_in_conflict_until_it_is_archived(
        self, client: Caller, fraud: str
    ) -> None:
        photo = self.attributes(fraud, picture(1))
        first = client.send_json("list-item/faces", photo).json()["data"]["id"]
        status, [problem] = errors(client.send_json("list-item/faces", photo))
        assert (status, problem["title"]) == (409, "Conflict")
        client.delete(f"list-item/faces/{first}")
        assert client.counts(client.send_faces(fraud, picture(1))) == (1, 0, 0)

    @pytest.mark.parametrize("photo", ["text", {"data": "@"}, {}])
    def test_what_is_no_file_is_a_bad_request(self, client: Caller, fraud: str, photo: Any) -> None:
        answer = client.send_json("list-item/faces", {"list-id": fraud, "face-photo": photo})
        assert answer.status_code == 400

    def test_what_is_no_picture_is_an_invalid_record(self, client: Caller, fraud: str) -> None:
        answer = client.send_json("list-item/faces", self.attributes(fraud, b"text"))
        status, [problem] = errors(answer)
        assert (status, problem["title"]) == (422, "Record invalid")
        assert problem["source"] == {"pointer": "/data/attributes/face-photo"}

    def test_an_unknown_list_or_item_is_not_found(self, client: Caller) -> None:
        made = client.send_json("list-item/faces", self.attributes("lst_none", picture(1)))
        assert made.status_code == 404
        assert client.get("list-item/faces/lifc_none").status_code == 404
        assert client.delete("list-item/faces/lifc_none").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "importers/list-item/faces"),
        ("POST", "importer/list-items/faces"),
        ("POST", "importer/list-item/face"),
        ("GET", "importer"),
        ("GET", "importer/mprt_x"),
        ("POST", "lists/faces"),
        ("POST", "list/face"),
        ("GET", "list"),
        ("GET", "list-items/faces/lifc_x"),
        ("GET", "list-item/faces"),
        ("PATCH", "lists/lst_x"),
        ("PUT", "lists/lst_x"),
        ("DELETE", "importers/mprt_x"),
    ],
)
def test_a_path_that_persona_does_not_have_is_not_found(
    client: Caller, method: str, path: str
) -> None:
    assert errors(client.request(method, path)) == (404, [{"title": "Record not found"}])


class TestInflectionAndVersion:
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [("kebab", "error-count"), ("camel", "errorCount"), ("snake", "error_count")],
    )
    def test_keys_are_spelt_as_asked_and_values_are_left_alone(
        self, client: Caller, fraud: str, asked: str, expected: str
    ) -> None:
        data = client.send_faces(fraud, picture(1), Key_Inflection=asked).json()["data"]
        assert expected in data["attributes"]
        assert data["type"] == "importer/list-item/face"

    def test_the_key_may_have_a_spelling_of_its_own(self) -> None:
        with LocalPersona(inflection="snake") as persona, Caller(persona) as client:
            assert "created_at" in client.get("lists").json()["data"][0]["attributes"]
            kebab = client.get("lists", headers={"Key-Inflection": "kebab"}).json()
        assert "created-at" in kebab["data"][0]["attributes"]

    @pytest.mark.parametrize(("version", "status"), [("2025-12-08", 200), ("1999-01-01", 400)])
    def test_only_known_versions_are_answered(
        self, client: Caller, version: str, status: int
    ) -> None:
        answer = client.get("lists", headers={"Persona-Version": version})
        assert answer.status_code == status


class TestForcedAnswers:
    EXPECTED = [
        ("unauthorized", 401, "Token is invalid"),
        ("forbidden", 403, "Forbidden"),
        ("conflict", 409, "Conflict"),
        ("rate_limited", 429, "Rate limit exceeded"),
        ("rate_limited_bare", 429, "Rate limit exceeded"),
        ("unavailable", 503, "Service unavailable"),
        ("bad_request", 400, "Bad Request"),
        ("not_found", 404, "Record not found"),
        ("unprocessable", 422, "Unprocessable entity"),
        ("server_error", 500, "Internal server error"),
    ]

    @pytest.mark.parametrize(("kind", "status", "title"), EXPECTED)
    def test_the_next_request_is_answered_so_and_nothing_is_made(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str, status: int, title: str
    ) -> None:
        persona.faults.inject(kind)
        found, [problem] = errors(client.send_faces(fraud, picture(1)))
        assert (found, problem["title"]) == (status, title)
        assert persona.ledger() == []
        assert client.send_faces(fraud, picture(1)).status_code == 201

    @pytest.mark.parametrize("kind", ["bad_request", "not_found", "unprocessable", "server_error"])
    def test_these_are_stored_and_replayed_under_the_key(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str
    ) -> None:
        persona.faults.inject(kind)
        first = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        again = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert first.status_code == again.status_code >= 400
        assert again.content == first.content
        assert client.send_faces(fraud, picture(1), Idempotency_Key="new").status_code == 201

    @pytest.mark.parametrize(
        "kind",
        ["unauthorized", "forbidden", "conflict", "rate_limited", "unavailable", "bad_gateway"],
    )
    def test_these_leave_the_key_unused(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str
    ) -> None:
        persona.faults.inject(kind)
        assert client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code >= 400
        assert client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code == 201

    @pytest.mark.parametrize(
        ("kind", "cached", "then"), [("forbidden", True, 403), ("server_error", False, 201)]
    )
    def test_what_is_stored_can_be_chosen(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str, cached: bool, then: int
    ) -> None:
        persona.faults.inject(kind, cached=cached)
        assert client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code >= 400
        assert client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code == then

    def test_a_forced_401_has_no_header_of_persona(
        self, client: Caller, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unauthorized")
        assert not (ENVELOPE | RATE) & set(client.get("lists").headers)

    def test_a_forced_429_comes_with_a_reset_of_choice(
        self, client: Caller, persona: LocalPersona
    ) -> None:
        persona.faults.inject("rate_limited", reset_seconds=7)
        headers = client.get("lists").headers
        assert [headers[name] for name in sorted(RATE)] == ["300", "0", "7"]

    def test_a_forced_429_has_its_headers_even_where_nothing_is_limited(self) -> None:
        with LocalPersona(rate_limit=None) as persona, Caller(persona) as client:
            persona.faults.inject("rate_limited")
            headers = client.get("lists").headers
        assert [headers[name] for name in sorted(RATE)] == ["300", "0", "60"]

    def test_a_bare_429_has_only_the_other_headers(
        self, client: Caller, persona: LocalPersona
    ) -> None:
        persona.faults.inject("rate_limited_bare")
        headers = set(client.get("lists").headers)
        assert headers >= ENVELOPE
        assert not headers & RATE

    @pytest.mark.parametrize(("kind", "made"), [("bad_gateway", 0), ("bad_gateway_made", 1)])
    def test_a_bad_gateway_speaks_html_and_nothing_of_persona(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str, made: int
    ) -> None:
        persona.faults.inject(kind)
        answer = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert (answer.status_code, answer.text[:6]) == (502, "<html>")
        assert answer.headers["Content-Type"].startswith("text/html")
        assert not (ENVELOPE | RATE) & set(answer.headers)
        assert len(persona.ledger()) == made
        assert client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code == 201
        assert len(persona.ledger()) == 1


class TestSpoiltAnswers:
    @pytest.mark.parametrize(
        ("kind", "made"), [("drop_before_body", 0), ("drop_unmade", 0), ("drop_made", 1)]
    )
    def test_a_dropped_connection_tells_nothing_of_what_was_made(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str, made: int
    ) -> None:
        persona.faults.inject(kind)
        with pytest.raises(requests.ConnectionError):
            client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert [request.status for request in persona.requests()] == [None]
        assert len(persona.ledger()) == made
        again = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert again.status_code == 201
        assert [entry.importer_id for entry in persona.ledger()] == [again.json()["data"]["id"]]

    def test_half_a_document_is_answered_200_and_the_import_is_made(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        persona.faults.inject("broken_json")
        answer = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert (answer.status_code, len(persona.ledger())) == (200, 1)
        with pytest.raises(requests.JSONDecodeError):
            answer.json()
        assert client.send_faces(fraud, picture(1), Idempotency_Key="k").status_code == 201

    def test_an_answer_may_lack_its_id(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        persona.faults.inject("no_id")
        answer = client.send_faces(fraud, picture(1), Idempotency_Key="k")
        assert (answer.status_code, set(answer.json()["data"])) == (201, {"type", "attributes"})
        assert "id" in client.send_faces(fraud, picture(1), Idempotency_Key="k").json()["data"]

    def test_a_slow_answer_waits_as_long_as_told(self) -> None:
        waited: list[float] = []
        with LocalPersona(pause=waited.append) as persona, Caller(persona) as client:
            persona.faults.inject("slow")
            persona.faults.inject("slow", seconds=75)
            persona.faults.inject("server_error", where="GET /lists", seconds=3)
            assert client.get("importers").status_code == 200
            assert client.get("lists").status_code == 500
        assert waited == [10, 3, 75]

    def test_stopping_does_not_wait_for_a_slow_answer(self) -> None:
        arrived = threading.Event()

        def clock() -> float:
            arrived.set()
            return 1_800_000_000.0

        with LocalPersona(seed=False, rate_limit=None, clock=clock) as persona:
            persona.faults.inject("slow", seconds=600)
            with Caller(persona) as client, ThreadPoolExecutor(1) as pool:
                answer = pool.submit(client.get, "lists")
                assert arrived.wait(10)
                persona.stop()
                assert answer.result(10).status_code == 200

    def test_camel_case_comes_whatever_was_asked(
        self, client: Caller, persona: LocalPersona
    ) -> None:
        persona.faults.inject("camel")
        answer = client.get("lists", headers={"Key-Inflection": "kebab"})
        assert "createdAt" in answer.json()["data"][0]["attributes"]

    @pytest.mark.parametrize("path", ["lists", "importers"])
    def test_an_attribute_may_be_in_no_paper(
        self, client: Caller, persona: LocalPersona, fraud: str, path: str
    ) -> None:
        client.send_faces(fraud, picture(1))
        persona.faults.inject("new_attribute")
        seen = client.get(path).json()["data"]
        assert all("review-state" in row["attributes"] for row in seen)

    def test_an_error_stays_an_error_under_these_faults(
        self, client: Caller, persona: LocalPersona
    ) -> None:
        persona.faults.inject("new_attribute")
        assert errors(client.get("lists/lst_none")) == (404, [{"title": "Record not found"}])


class TestFatesOfImporters:
    LOOKS = [
        ("stuck", ("pending", 0, None)),
        ("errored", ("errored", 0, "2027-01-15T08:00:00.000Z")),
        ("unknown_status", ("under-review", 1, "2027-01-15T08:00:00.000Z")),
        ("odd_counts", ("ready", 8, "2027-01-15T08:00:00.000Z")),
    ]

    def look(self, attributes: Any) -> tuple[str, int, str | None]:
        return (
            attributes["status"],
            attributes["successful-count"],
            attributes["completed-at"],
        )

    @pytest.mark.parametrize(("kind", "expected"), LOOKS)
    def test_importers_look_so_until_the_fault_is_cleared(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str, expected: Any
    ) -> None:
        importer_id = client.send_faces(fraud, picture(1)).json()["data"]["id"]
        persona.faults.inject(kind, times=None)
        assert self.look(client.importer(importer_id)) == expected
        [row] = client.get("importers").json()["data"]
        assert self.look(row["attributes"]) == expected
        persona.faults.clear()
        assert client.importer(importer_id)["status"] == "ready"

    @pytest.mark.parametrize(("kind", "expected"), LOOKS)
    def test_a_fault_on_the_import_is_the_fate_of_that_importer_alone(
        self, client: Caller, persona: LocalPersona, fraud: str, kind: str, expected: Any
    ) -> None:
        persona.faults.inject(kind, where=IMPORT)
        fated = client.send_faces(fraud, picture(1)).json()["data"]
        plain = client.send_faces(fraud, picture(2)).json()["data"]
        assert fated["attributes"]["status"] == "pending"
        assert self.look(client.importer(fated["id"])) == expected
        assert client.importer(plain["id"])["status"] == "ready"

    def test_an_errored_import_adds_no_face_to_the_list(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        persona.faults.inject("errored", where=IMPORT)
        client.send_faces(fraud, picture(1))
        assert client.counts(client.send_faces(fraud, picture(1))) == (1, 0, 0)

    def test_an_importer_is_not_errored_before_it_is_due(self, clock: Clock) -> None:
        with LocalPersona(delay=5, clock=clock) as persona, Caller(persona) as client:
            persona.faults.inject("errored", times=None)
            made = client.send_faces(persona.add_list("Fraud"), picture(1)).json()["data"]
            assert client.importer(made["id"])["status"] == "pending"

    def test_a_gone_importer_is_not_found_and_leaves_the_index(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        importer_id = client.send_faces(fraud, picture(1)).json()["data"]["id"]
        persona.faults.inject("gone", times=2)
        assert client.get(f"importers/{importer_id}").status_code == 404
        assert client.get("importers").json()["data"] == []
        assert client.get(f"importers/{importer_id}").status_code == 200


class TestFaultBox:
    def test_a_fault_strikes_as_often_as_told(self, client: Caller, persona: LocalPersona) -> None:
        persona.faults.inject("forbidden", times=2)
        assert [client.get("lists").status_code for _ in range(3)] == [403, 403, 200]

    def test_a_fault_strikes_only_where_told(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        persona.faults.inject("forbidden", where=IMPORTERS)
        assert client.get("lists").status_code == 200
        assert client.send_faces(fraud, picture(1)).status_code == 201
        assert client.get("importers/mprt_none").status_code == 403

    def test_faults_strike_in_the_order_of_their_injection(
        self, client: Caller, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unavailable")
        persona.faults.inject("forbidden")
        assert [client.get("lists").status_code for _ in range(3)] == [503, 403, 200]

    def test_one_kind_can_be_cleared(self, client: Caller, persona: LocalPersona) -> None:
        persona.faults.inject("unavailable", times=None)
        kept = persona.faults.inject("forbidden", times=None)
        persona.faults.clear("unavailable")
        assert persona.faults.armed() == (kept,)
        assert client.get("lists").status_code == 403

    def test_a_fault_is_not_spent_on_a_request_that_was_refused_before(
        self, client: Caller, persona: LocalPersona
    ) -> None:
        persona.faults.inject("forbidden")
        client.get("lists", headers={"Authorization": "Bearer other"})
        assert client.get("lists").status_code == 403

    def test_nonsense_is_refused(self, persona: LocalPersona) -> None:
        with pytest.raises(ValueError, match="no fault 'earthquake'"):
            persona.faults.inject("earthquake")
        with pytest.raises(ValueError, match="at least once"):
            persona.faults.inject("slow", times=0)


class TestRecords:
    def test_the_ledger_has_one_entry_for_each_import_made(
        self, client: Caller, persona: LocalPersona, fraud: str
    ) -> None:
        good, bad = picture(1), b"no picture"
        answer = client.send_faces(fraud, good, bad, Idempotency_Key="k")
        client.send_faces("lst_none", good, Idempotency_Key="other")
        [entry] = persona.ledger()
        assert entry.importer_id == answer.json()["data"]["id"]
        assert (entry.list_id, entry.idempotency_key) == (fraud, "k")
        assert entry.headers["idempotency-key"] == "k"
        assert "authorization" not in entry.headers
        assert entry.files == tuple(
            SentFile(name, "image/png", hashlib.sha256(content).hexdigest(), len(content))
            for name, content in (("0.png", good), ("1.png", bad))
        )

    def test_every_request_is_seen_in_order(
        self, client: Caller, persona: LocalPersona, clock: Clock
    ) -> None:
        client.get("lists?page[size]=5", headers={"Key-Inflection": "kebab"})
        clock.now += 1
        client.get("nothing")
        first, second = persona.requests()
        assert (first.method, first.path, first.status) == ("GET", "/api/v1/lists", 200)
        assert (first.query, first.headers["key-inflection"]) == ({"page[size]": "5"}, "kebab")
        assert (second.path, second.status) == ("/api/v1/nothing", 404)
        assert second.time - first.time == 1


class TestState:
    def test_a_restart_loses_nothing(self, tmp_path: Path, clock: Clock) -> None:
        state = tmp_path / "persona.sqlite3"
        with LocalPersona(state=state, delay=5, clock=clock) as persona, Caller(persona) as client:
            fraud = persona.add_list("Fraud")
            first = client.send_faces(fraud, picture(1), b"no", Idempotency_Key="k")
            lists, ledger = client.get("lists").json(), persona.ledger()
        clock.now += 5
        with LocalPersona(state=state, clock=clock) as persona, Caller(persona) as client:
            assert client.send_faces(fraud, picture(1), b"no", Idempotency_Key="k").json() == (
                first.json()
            )
            assert (client.counts(first), client.get("lists").json()) == ((1, 0, 1), lists)
            assert persona.ledger() == ledger
            assert client.counts(client.send_faces(fraud, picture(1))) == (0, 1, 0)

    def test_it_holds_neither_images_nor_keys_and_is_ours_alone(self, tmp_path: Path) -> None:
        state = tmp_path / "persona.sqlite3"
        with LocalPersona(state=state) as persona, Caller(persona) as client:
            assert client.send_faces(persona.add_list("Fraud"), picture(1)).status_code == 201
        kept = state.read_bytes()
        assert picture(1) not in kept
        assert persona.key.encode() not in kept
        assert state.stat().st_mode & 0o077 == 0

    def test_a_stopped_server_answers_on_no_old_connection(self) -> None:
        persona = LocalPersona()
        persona.start()
        with Caller(persona) as client:
            assert client.get("lists").status_code == 200
            persona.stop()
            with pytest.raises(requests.ConnectionError):
                client.get("lists")


class StopOnceListening(io.StringIO):
    def __init__(self, name: signal.Signals) -> None:
        super().__init__()
        self.name = name

    def write(self, text: str) -> int:
        if "listens" in text:
            os.kill(os.getpid(), self.name)
        return super().write(text)


class TestCommand:
    @pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
    def test_it_says_where_it_listens_and_stops_on_a_signal(self, name: signal.Signals) -> None:
        out = StopOnceListening(name)
        call_command("local_persona", "--port=0", "--fault=slow:2", "--fault=camel", stdout=out)
        assert re.fullmatch(
            r"Local Persona listens on http://127\.0\.0\.1:\d+/api/v1\n"
            r"Local Persona has stopped\.\n",
            out.getvalue(),
        )

    def test_a_taken_port_is_told_with_its_remedy(self, persona: LocalPersona) -> None:
        port = persona.url.split(":")[2].split("/")[0]
        with pytest.raises(CommandError, match=f"Port {port} is in use: .* another with --port"):
            call_command("local_persona", f"--port={port}")

    def test_a_state_file_that_is_none_is_told(self, tmp_path: Path) -> None:
        state = tmp_path / "notes.txt"
        state.write_text("no database" * 99)
        with pytest.raises(CommandError, match="cannot start: file is not a database"):
            call_command("local_persona", "--port=0", f"--state={state}")

    @pytest.mark.parametrize("switch", ["--delay=-1", "--rate-limit=-1"])
    def test_a_negative_number_is_refused(self, switch: str) -> None:
        with pytest.raises(CommandError, match="cannot be negative"):
            call_command("local_persona", "--port=0", switch)

    @pytest.mark.parametrize("nonsense", ["earthquake", "slow:", "slow:0", "slow:x"])
    def test_a_fault_that_is_none_is_refused(self, nonsense: str) -> None:
        with pytest.raises(CommandError, match="--fault"):
            call_command("local_persona", "--port=0", f"--fault={nonsense}")

    def test_its_help_states_the_counting_rule_and_every_fault(self) -> None:
        text = Command().create_parser("manage.py", "local_persona").format_help()
        assert "Counting rule" in text
        assert all(f"  {name}" in text for name in FAULTS)
