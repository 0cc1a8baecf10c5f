"""The ledger, the requests seen, and the state that outlives a restart."""

import hashlib
from pathlib import Path

import pytest
import requests

from importers.local_persona import LocalPersona, SentFile
from tests.support.local_persona import Caller, SetClock, picture


def test_ledger_has_each_import_that_was_made(
    client: Caller, persona: LocalPersona, fraud: str
) -> None:
    good, bad = picture(1), b"no picture"
    answer = client.send_faces(fraud, good, bad, key="k")
    client.send_faces("lst_none", good, key="other")
    [entry] = persona.ledger()
    assert entry.importer_id == answer.json()["data"]["id"]
    assert (entry.list_id, entry.idempotency_key) == (fraud, "k")
    assert entry.headers["idempotency-key"] == "k"
    assert "authorization" not in entry.headers
    assert entry.files == tuple(
        SentFile(name, "image/png", hashlib.sha256(content).hexdigest(), len(content))
        for name, content in (("0.png", good), ("1.png", bad))
    )


def test_requests_are_seen_in_order(client: Caller, persona: LocalPersona, clock: SetClock) -> None:
    client.get("lists?page[size]=5", headers={"Key-Inflection": "kebab"})
    clock.now += 1
    client.get("nothing")
    first, second = persona.requests()
    assert (first.method, first.path, first.status) == ("GET", "/api/v1/lists", 200)
    assert (first.query, first.headers["key-inflection"]) == ({"page[size]": "5"}, "kebab")
    assert (second.path, second.status) == ("/api/v1/nothing", 404)
    assert second.time - first.time == 1


def test_date_header_follows_the_clock(client: Caller) -> None:
    assert client.get("lists").headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


def test_restart_loses_nothing(tmp_path: Path, clock: SetClock) -> None:
    state = tmp_path / "persona.sqlite3"
    with LocalPersona(state=state, delay=5, clock=clock) as persona, Caller(persona) as client:
        fraud = persona.add_list("Fraud")
        first = client.send_faces(fraud, picture(1), b"no", key="k")
        lists, ledger = client.get("lists").json(), persona.ledger()
    clock.now += 5
    with LocalPersona(state=state, clock=clock) as persona, Caller(persona) as client:
        assert client.send_faces(fraud, picture(1), b"no", key="k").json() == first.json()
        assert (client.counts(first), client.get("lists").json()) == ((1, 0, 1), lists)
        assert persona.ledger() == ledger
        assert client.counts(client.send_faces(fraud, picture(1))) == (0, 1, 0)


def test_state_holds_neither_images_nor_keys(tmp_path: Path) -> None:
    state = tmp_path / "persona.sqlite3"
    with LocalPersona(state=state) as persona, Caller(persona) as client:
        assert client.send_faces(persona.add_list("Fraud"), picture(1)).status_code == 201
    kept = state.read_bytes()
    assert picture(1) not in kept
    assert persona.key.encode() not in kept
    assert state.stat().st_mode & 0o077 == 0


def test_stopped_server_answers_no_old_connection() -> None:
    persona = LocalPersona()
    persona.start()
    with Caller(persona) as client:
        assert client.get("lists").status_code == 200
        persona.stop()
        with pytest.raises(requests.ConnectionError):
            client.get("lists")
