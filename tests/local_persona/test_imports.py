"""POST /importer/list-item/faces: what is accepted, counted and refused."""

import re
import socket
from typing import Any

import pytest

from importers.local_persona import LocalPersona
from tests.support.local_persona import FACES, Caller, SetClock, errors, picture, title

LIST = {"data[attributes][list-id]": "lst_1"}
FILES = {"data[attributes][image-files][]": ("a.png", b"x", "image/png")}


def test_import_is_pending_at_first(client: Caller, fraud: str) -> None:
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


def test_import_is_ready_after_the_delay(clock: SetClock) -> None:
    with LocalPersona(delay=5, clock=clock) as persona, Caller(persona) as client:
        answer = client.send_faces(persona.add_list("Fraud"), picture(1))
        importer_id = answer.json()["data"]["id"]
        clock.now += 4.999
        assert client.importer(importer_id) == answer.json()["data"]["attributes"]
        clock.now += 0.001
        seen = client.importer(importer_id)
    assert (seen["status"], seen["successful-count"]) == ("ready", 1)
    assert seen["completed-at"] == "2027-01-15T08:00:05.000Z"


def test_only_png_and_jpeg_are_successful(client: Caller, fraud: str) -> None:
    good = picture(1), picture(2, "JPEG")
    bad = picture(3, "GIF"), b"no picture", b"", picture(4)[:-20], picture(5, "JPEG")[:-40]
    assert client.counts(client.send_faces(fraud, *good, *bad)) == (2, 0, 5)


def test_same_bytes_in_one_request_are_a_duplicate(client: Caller, fraud: str) -> None:
    assert client.counts(client.send_faces(fraud, picture(1), picture(1))) == (1, 1, 0)


def test_same_bytes_in_one_list_are_a_duplicate(client: Caller, fraud: str) -> None:
    client.send_faces(fraud, picture(1))
    assert client.counts(client.send_faces(fraud, picture(1), picture(2))) == (1, 1, 0)


def test_same_bytes_in_two_lists_are_successful(
    client: Caller, persona: LocalPersona, fraud: str
) -> None:
    client.send_faces(fraud, picture(1))
    other = persona.add_list("Other")
    assert client.counts(client.send_faces(other, picture(1))) == (1, 0, 0)


def test_hundred_files_are_accepted(client: Caller, fraud: str) -> None:
    answer = client.send_faces(fraud, *(picture(shade) for shade in range(100)))
    assert client.counts(answer) == (100, 0, 0)


@pytest.mark.parametrize(
    ("form", "details"),
    [
        ({"files": FILES}, "data.attributes.list-id is missing"),
        ({"data": {"other": "x"}, "files": FILES}, "data.attributes.list-id is missing"),
        ({"data": LIST, "files": {"other": b"x"}}, "data.attributes.image-files is missing"),
        (
            {"data": LIST, "files": {"data[attributes][image-files]": b"x"}},
            "data.attributes.image-files is missing",
        ),
    ],
)
def test_missing_attribute_is_a_bad_request(client: Caller, form: Any, details: str) -> None:
    problem = {"title": "Bad Request", "details": details}
    assert errors(client.post(FACES, **form)) == (400, [problem])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="'),
    ],
)
def test_unreadable_body_is_a_bad_request(client: Caller, kind: str, body: bytes) -> None:
    answer = client.post(FACES, data=body, headers={"Content-Type": kind})
    assert title(answer) == (400, "Bad Request")


def test_import_to_an_unknown_list_is_not_found(client: Caller) -> None:
    answer = client.send_faces("lst_none", picture(1))
    assert errors(answer) == (404, [{"title": "Record not found"}])


@pytest.mark.parametrize(
    "about", [{"archived": True}, {"kind": "list/email-address"}], ids=["archived", "emails"]
)
def test_unusable_list_is_unprocessable(client: Caller, persona: LocalPersona, about: Any) -> None:
    answer = client.send_faces(persona.add_list("Other", **about), picture(1))
    status, [problem] = errors(answer)
    assert (status, problem["title"]) == (422, "Unprocessable entity")
    assert problem["source"] == {"pointer": "/data/attributes/list-id"}
    assert persona.ledger() == []


def test_body_cut_short_is_not_executed(persona: LocalPersona) -> None:
    host, port = persona.url.split("/")[2].split(":")
    head = f"POST /api/v1/{FACES} HTTP/1.1\r\nContent-Length: 99\r\n\r\nshort"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert [request.status for request in persona.requests()] == [None]
