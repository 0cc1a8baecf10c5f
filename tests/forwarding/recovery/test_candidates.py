"""Which importers at Persona may belong to a batch in doubt."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from importers.forwarding import recovery
from importers.local_persona import LocalPersona
from importers.models import Batch, Import
from importers.persona.responses import Status
from tests.support.batches import persona_importer, the_only
from tests.support.forwarding import Clock, forward
from tests.support.recovery import ImportByOthers, is_imported_once, own_importers, recover
from tests.support.scripted_persona import PENDING, says
from tests.support.scripted_persona import importers as page_of

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State
INDEX = "GET /importers"


@pytest.mark.django_db
def test_importer_of_another_batch_is_no_candidate(
    persona: LocalPersona, make_import: Make, in_doubt: Make
) -> None:
    other = make_import(first_seed=10)
    forward()
    sent = in_doubt(made=False)
    recover()
    assert the_only(sent).problem == "not_arrived"
    forward()
    assert is_imported_once(persona, sent)
    assert is_imported_once(persona, other)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "problem"),
    [("importer/account", "not_arrived"), ("importer/list-item/face", ""),
     ("importer/face", "")],
)  # fmt: skip
def test_only_importers_of_faces_are_candidates(
    in_doubt: Make, clock: Clock, settings: Settings, kind: str, problem: str
) -> None:
    sent = in_doubt(made=True)
    body = page_of(kind)
    moment = the_only(sent).tried_until
    assert moment
    body["data"][0]["attributes"] = PENDING | {"created-at": moment.isoformat()}
    with says("200 OK", body) as server:
        settings.PERSONA_BASE_URL = server.url
        recover()
    assert the_only(sent).problem == problem


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-3600, -90, 90, 7200])
def test_importer_of_another_time_is_no_candidate(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers, seconds: float
) -> None:
    import_by_others(seconds_from_now=-7200)
    sent = in_doubt(made=True)
    import_by_others(seconds_from_now=seconds)
    recover()
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-50, 50])
def test_importer_within_clock_skew_is_a_candidate(
    in_doubt: Make, import_by_others: ImportByOthers, seconds: float
) -> None:
    sent = in_doubt(made=True)
    import_by_others(seconds_from_now=seconds)
    recover()
    assert the_only(sent).problem == "ambiguous"


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-50, 50])
def test_own_importer_is_found_if_clocks_differ(
    persona: LocalPersona, clock: Clock, in_doubt: Make, seconds: float
) -> None:
    clock.ahead = timedelta(seconds=seconds)
    sent = in_doubt(made=True)
    recover()
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


@pytest.mark.django_db
def test_importer_without_time_needs_a_person(in_doubt: Make, settings: Settings) -> None:
    sent = in_doubt(made=True)
    body = page_of("importer/list-item/face")
    body["data"][0]["attributes"] = {"status": "ready"}
    with says("200 OK", body) as server:
        settings.PERSONA_BASE_URL = server.url
        recover()
    batch = the_only(sent)
    assert batch.problem == "ambiguous"
    assert [row["created_at"] for row in batch.candidates] == [""]


@pytest.mark.django_db
def test_candidate_with_wrong_count_needs_a_person(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers
) -> None:
    sent = in_doubt(made=False)
    (theirs,) = import_by_others()
    recover()
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
    assert (batch.importer_id, batch.may_have_arrived) == ("", True)
    assert [row["id"] for row in batch.candidates] == [theirs]


@pytest.mark.django_db
def test_pending_candidate_is_adopted(persona: LocalPersona, in_doubt: Make) -> None:
    sent = in_doubt(made=True)
    persona.faults.inject("stuck", where=INDEX)
    recover()
    batch = the_only(sent)
    assert (batch.state, batch.persona_status) == (State.IMPORTING, "pending")
    assert own_importers(persona, sent) == [batch.importer_id]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"successful_count": 3}, True),
        ({"successful_count": 1, "duplicate_count": 1, "error_count": 1}, True),
        ({"successful_count": 3, "duplicate_count": None, "error_count": None}, True),
        ({"successful_count": 2}, False),
        ({"successful_count": 3, "error_count": 1}, False),
        ({}, False),
        ({"status": Status.PENDING}, True),
        (
            {
                "status": Status.PENDING,
                "successful_count": None,
                "duplicate_count": None,
                "error_count": None,
            },
            True,
        ),
        ({"status": Status.PENDING, "successful_count": 3}, True),
        ({"status": Status.PENDING, "successful_count": 1}, False),
        ({"status": Status.ERRORED}, False),
        ({"status": Status.UNKNOWN}, False),
    ],
)
def test_importer_fits_if_its_counts_can_add_up(values: dict[str, Any], expected: bool) -> None:
    importer = persona_importer(**({"status": Status.READY} | values))
    assert recovery.fits(Batch(image_count=3), importer) == expected
