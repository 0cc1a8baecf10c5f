"""Nothing that Persona says ends a worker: a batch survives every odd answer."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from importers.forwarding.claims import Leases
from importers.local_persona import LocalPersona
from importers.models import Batch, Exchange, FaceList, Import
from importers.worker import jobs
from tests.support.batches import OWNER, the_only
from tests.support.forwarding import forward, time_passes
from tests.support.scripted_persona import PENDING, importer, says

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State
ODD = "a\0b\ud800c"
LIMIT = {"RateLimit_Limit": "300", "RateLimit_Remaining": "0"}


def odd_importer(**values: Any) -> dict[str, Any]:
    body = importer(PENDING)
    body["data"] |= values
    return body


ANSWERS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "words of a failure": ("500 No", {"errors": [{"title": ODD, "details": ODD}]}, {}),
    "words of a refused key": ("401 No", {"errors": [{"title": ODD, "details": ODD}]}, {}),
    "id with NUL": ("201 Created", odd_importer(id="mprt\0_1"), {}),
    "id with a surrogate": ("201 Created", odd_importer(id="mprt\ud800_1"), {}),
    "request ID": ("500 No", b"", {"Request_Id": "req\0" + "9" * 900}),
    "huge wait": ("429 No", b"", LIMIT | {"RateLimit_Reset": "99999999999999"}),
    "huge limit": ("500 No", b"", LIMIT | {"RateLimit_Reset": "1", "RateLimit_Limit": "9" * 30}),
    "first year": ("500 No", b"", {"Date": "Mon, 01 Jan 1601 00:00:00 GMT"}),
    "last year": ("500 No", b"", {"Date": "Fri, 31 Dec 9999 23:59:59 -1200"}),
    "huge year": ("500 No", b"", {"Date": f"Fri, 31 Dec {'9' * 20} 23:59:59 GMT"}),
    "redirect": ("302 Found", b"", {"Location": "http://["}),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_batch_survives_an_odd_answer_to_its_send(
    kind: str, persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
) -> None:
    there = settings.PERSONA_BASE_URL
    sent = make_import(known_list)
    status, body, headers = ANSWERS[kind]
    with says(status, body, **headers) as server:
        settings.PERSONA_BASE_URL = server.url
        assert jobs.step(Leases(OWNER))
        assert len(server.requests) == 1
    settings.PERSONA_BASE_URL = there
    assert the_only(sent).state in Batch.WAITING
    time_passes()
    forward()
    assert the_only(sent).state == State.DONE


def test_batch_survives_an_odd_status_and_a_long_id(
    persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
) -> None:
    sent = make_import(known_list)
    body = odd_importer(id="\N{GRINNING FACE}" * 100)
    body["data"]["attributes"] = PENDING | {"status": ODD, "created-at": "2026-07-12T17:16:54"}
    with says("201 Created", body) as server:
        settings.PERSONA_BASE_URL = server.url
        assert jobs.step(Leases(OWNER))
        time_passes()
        assert jobs.step(Leases(OWNER)), "polls: the page is unreadable"
    batch = the_only(sent)
    assert (batch.state, batch.persona_status) == (
        State.IMPORTING,
        "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c",
    )


def test_importer_with_a_long_path_is_polled(
    at_persona: Make, settings: Settings, persona: LocalPersona
) -> None:
    sent = at_persona(images=1)
    Batch.objects.update(importer_id="\N{GRINNING FACE}" * 100)
    forward(rounds=1)
    assert the_only(sent).state == State.IMPORTING
    assert Exchange.objects.filter(status=404, path__startswith="/importers/%F0").exists()


def test_recovery_survives_a_time_without_a_zone(
    persona: LocalPersona, make_import: Make, known_list: FaceList, settings: Settings
) -> None:
    there = settings.PERSONA_BASE_URL
    persona.faults.inject("drop_unmade")
    sent = make_import(known_list)
    assert jobs.step(Leases(OWNER))
    Batch.objects.update(recover_first=True)
    settings.PERSONA_KEY_LIFE_HOURS = 0
    row = importer(PENDING | {"created-at": "2026-07-12T17:16:54"})["data"]
    with says("200 OK", {"data": [row], "links": {"next": None}}) as server:
        settings.PERSONA_BASE_URL = server.url
        time_passes()
        assert jobs.step(Leases(OWNER))
    settings.PERSONA_BASE_URL = there
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.FAILED, "ambiguous"), "a person decides"
    assert batch.candidates[0]["created_at"] == ""


def test_list_name_that_cannot_be_stored_is_cleaned(
    persona: LocalPersona, db: None, settings: Settings
) -> None:
    row = {"type": "list/face", "id": "lst_1", "attributes": {"name": ODD}}
    with says("200 OK", {"data": [row], "links": {"next": None}}) as server:
        settings.PERSONA_BASE_URL = server.url
        jobs.sync_lists()
    name = FaceList.objects.get(persona_id="lst_1").name
    assert name == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
