"""Each fault, by what the client hears and by what was made."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from importers.local_persona import IMPORT, LocalPersona
from tests.support.local_persona import (
    ENVELOPE,
    RATE,
    Caller,
    SetClock,
    errors,
    picture,
    rate,
    title,
)

STORED = ["bad_request", "not_found", "unprocessable", "server_error"]
NOT_STORED = ["unauthorized", "forbidden", "conflict", "rate_limited", "unavailable", "bad_gateway"]
VIEWS = [
    ("stuck", ("pending", 0, None)),
    ("errored", ("errored", 0, "2027-01-15T08:00:00.000Z")),
    ("unknown_status", ("under-review", 1, "2027-01-15T08:00:00.000Z")),
    ("odd_counts", ("ready", 8, "2027-01-15T08:00:00.000Z")),
]


def view(attributes: Any) -> tuple[str, int, str | None]:
    return attributes["status"], attributes["successful-count"], attributes["completed-at"]


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
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
    ],
)
def test_forced_reply_makes_no_import(
    client: Caller, persona: LocalPersona, fraud: str, kind: str, status: int, words: str
) -> None:
    persona.faults.inject(kind)
    assert title(client.send_faces(fraud, picture(1))) == (status, words)
    assert persona.ledger() == []
    assert client.send_faces(fraud, picture(1)).status_code == 201


@pytest.mark.parametrize("kind", STORED)
def test_stored_reply_is_replayed_under_its_key(
    client: Caller, persona: LocalPersona, fraud: str, kind: str
) -> None:
    persona.faults.inject(kind)
    first = client.send_faces(fraud, picture(1), key="k")
    again = client.send_faces(fraud, picture(1), key="k")
    assert first.status_code == again.status_code >= 400
    assert again.content == first.content
    assert client.send_faces(fraud, picture(1), key="new").status_code == 201


@pytest.mark.parametrize("kind", NOT_STORED)
def test_reply_that_is_not_stored_leaves_the_key_unused(
    client: Caller, persona: LocalPersona, fraud: str, kind: str
) -> None:
    persona.faults.inject(kind)
    assert client.send_faces(fraud, picture(1), key="k").status_code >= 400
    assert client.send_faces(fraud, picture(1), key="k").status_code == 201


@pytest.mark.parametrize(
    ("kind", "cached", "statuses", "made"),
    [
        ("forbidden", True, (403, 403), 0),
        ("server_error", None, (500, 500), 0),
        ("server_error", False, (500, 201), 1),
        ("server_error_made", None, (500, 500), 1),
        ("server_error_made", False, (500, 201), 1),
        ("bad_gateway", None, (502, 201), 1),
        ("bad_gateway", True, (502, 502), 0),
        ("bad_gateway_made", None, (502, 201), 1),
        ("bad_gateway_made", True, (502, 502), 1),
    ],
)
def test_cached_decides_whether_a_forced_reply_is_stored(
    client: Caller, persona: LocalPersona, fraud: str,
    kind: str, cached: bool | None, statuses: tuple[int, int], made: int,
) -> None:  # fmt: skip
    persona.faults.inject(kind, cached=cached)
    answers = [client.send_faces(fraud, picture(1), key="k") for _ in range(2)]
    assert tuple(answer.status_code for answer in answers) == statuses
    assert len(persona.ledger()) == made
    if statuses[0] == statuses[1]:
        assert answers[0].content == answers[1].content
        assert answers[0].headers.get("Request-Id") == answers[1].headers.get("Request-Id")


@pytest.mark.parametrize(("kind", "made"), [("server_error", 0), ("server_error_made", 1)])
def test_500_is_stored_with_and_without_the_import(
    client: Caller, persona: LocalPersona, fraud: str, kind: str, made: int
) -> None:
    persona.faults.inject(kind)
    assert title(client.send_faces(fraud, picture(1), key="k")) == (500, "Internal server error")
    assert [entry.idempotency_key for entry in persona.ledger()] == ["k"] * made
    assert len(client.get("importers").json()["data"]) == made


def test_forced_401_has_none_of_persona_s_headers(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("unauthorized")
    assert not {*ENVELOPE, *RATE} & set(client.get("lists").headers)


def test_forced_429_can_set_its_reset(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("rate_limited", reset_seconds=7)
    assert rate(client.get("lists")) == ["300", "0", "7"]


def test_forced_429_has_rate_headers_without_a_limit() -> None:
    with LocalPersona(rate_limit=None) as persona, Caller(persona) as client:
        persona.faults.inject("rate_limited")
        assert rate(client.get("lists")) == ["300", "0", "60"]


def test_bare_429_has_no_rate_headers(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("rate_limited_bare")
    headers = set(client.get("lists").headers)
    assert headers >= ENVELOPE
    assert not headers & set(RATE)


@pytest.mark.parametrize(("kind", "made"), [("bad_gateway", 0), ("bad_gateway_made", 1)])
def test_bad_gateway_answers_in_html(
    client: Caller, persona: LocalPersona, fraud: str, kind: str, made: int
) -> None:
    persona.faults.inject(kind)
    answer = client.send_faces(fraud, picture(1), key="k")
    assert (answer.status_code, answer.text[:6]) == (502, "<html>")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert not {*ENVELOPE, *RATE} & set(answer.headers)
    assert len(persona.ledger()) == made
    assert client.send_faces(fraud, picture(1), key="k").status_code == 201
    assert len(persona.ledger()) == 1


@pytest.mark.parametrize(
    ("kind", "made"), [("drop_before_body", 0), ("drop_unmade", 0), ("drop_made", 1)]
)
def test_dropped_connection_gives_no_answer(
    client: Caller, persona: LocalPersona, fraud: str, kind: str, made: int
) -> None:
    persona.faults.inject(kind)
    with pytest.raises(requests.ConnectionError):
        client.send_faces(fraud, picture(1), key="k")
    assert [request.status for request in persona.requests()] == [None]
    assert len(persona.ledger()) == made
    again = client.send_faces(fraud, picture(1), key="k")
    assert again.status_code == 201
    assert [entry.importer_id for entry in persona.ledger()] == [again.json()["data"]["id"]]


def test_half_a_document_is_answered_200(client: Caller, persona: LocalPersona, fraud: str) -> None:
    persona.faults.inject("broken_json")
    answer = client.send_faces(fraud, picture(1), key="k")
    assert (answer.status_code, len(persona.ledger())) == (200, 1)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert client.send_faces(fraud, picture(1), key="k").status_code == 201


def test_answer_may_lack_its_id(client: Caller, persona: LocalPersona, fraud: str) -> None:
    persona.faults.inject("no_id")
    answer = client.send_faces(fraud, picture(1), key="k")
    assert (answer.status_code, set(answer.json()["data"])) == (201, {"type", "attributes"})
    assert "id" in client.send_faces(fraud, picture(1), key="k").json()["data"]


def test_slow_answer_is_late_by_its_seconds() -> None:
    waited: list[float] = []
    with LocalPersona(pause=waited.append) as persona, Caller(persona) as client:
        persona.faults.inject("slow")
        persona.faults.inject("slow", seconds=75)
        persona.faults.inject("server_error", where="GET /lists", seconds=3)
        assert client.get("importers").status_code == 200
        assert client.get("lists").status_code == 500
    assert waited == [10, 3, 75]


def test_stop_does_not_wait_for_a_slow_answer() -> None:
    arrived = threading.Event()

    def clock() -> float:
        arrived.set()
        return SetClock.now

    with LocalPersona(seed=False, rate_limit=None, clock=clock) as persona:
        persona.faults.inject("slow", seconds=600)
        with Caller(persona) as client, ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.get, "lists")
            assert arrived.wait(10)
            persona.stop()
            assert answer.result(10).status_code == 200


def test_keys_can_come_in_camel_case(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("camel")
    answer = client.get("lists", headers={"Key-Inflection": "kebab"})
    record = answer.json()["data"][0]
    assert set(record["attributes"]) >= {"name", "createdAt", "archivedAt"}
    assert (record["type"], "listItems" in record["relationships"]) == ("list/face", True)


@pytest.mark.parametrize("path", ["lists", "importers"])
def test_records_can_have_an_undocumented_attribute(
    client: Caller, persona: LocalPersona, fraud: str, path: str
) -> None:
    client.send_faces(fraud, picture(1))
    persona.faults.inject("new_attribute")
    seen = client.get(path).json()["data"]
    assert seen
    assert all("review-state" in row["attributes"] for row in seen)


@pytest.mark.parametrize("kind", ["new_attribute", "no_id"])
def test_error_is_not_edited(client: Caller, persona: LocalPersona, kind: str) -> None:
    persona.faults.inject(kind, where="*")
    assert errors(client.get("lists/lst_none")) == (404, [{"title": "Record not found"}])


@pytest.mark.parametrize(("kind", "expected"), VIEWS)
def test_view_of_importers_lasts_until_cleared(
    client: Caller, persona: LocalPersona, fraud: str, kind: str, expected: Any
) -> None:
    importer_id = client.send_faces(fraud, picture(1)).json()["data"]["id"]
    persona.faults.inject(kind, times=None)
    assert view(client.importer(importer_id)) == expected
    [row] = client.get("importers").json()["data"]
    assert view(row["attributes"]) == expected
    persona.faults.clear()
    assert client.importer(importer_id)["status"] == "ready"


@pytest.mark.parametrize(("kind", "expected"), VIEWS)
def test_fault_at_an_import_stays_with_its_importer(
    client: Caller, persona: LocalPersona, fraud: str, kind: str, expected: Any
) -> None:
    persona.faults.inject(kind, where=IMPORT)
    struck = client.send_faces(fraud, picture(1)).json()["data"]
    plain = client.send_faces(fraud, picture(2)).json()["data"]
    assert struck["attributes"]["status"] == "pending"
    assert view(client.importer(struck["id"])) == expected
    assert client.importer(plain["id"])["status"] == "ready"


def test_errored_import_adds_no_face(client: Caller, persona: LocalPersona, fraud: str) -> None:
    persona.faults.inject("errored", where=IMPORT)
    client.send_faces(fraud, picture(1))
    assert client.counts(client.send_faces(fraud, picture(1))) == (1, 0, 0)


def test_importer_is_not_errored_before_it_is_due(clock: SetClock) -> None:
    with LocalPersona(delay=5, clock=clock) as persona, Caller(persona) as client:
        persona.faults.inject("errored", times=None)
        made = client.send_faces(persona.add_list("Fraud"), picture(1)).json()["data"]
        assert client.importer(made["id"])["status"] == "pending"


def test_importer_can_disappear(client: Caller, persona: LocalPersona, fraud: str) -> None:
    importer_id = client.send_faces(fraud, picture(1)).json()["data"]["id"]
    persona.faults.inject("gone", times=2)
    assert client.get(f"importers/{importer_id}").status_code == 404
    assert client.get("importers").json()["data"] == []
    assert client.get(f"importers/{importer_id}").status_code == 200
