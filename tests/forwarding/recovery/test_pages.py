"""How recovery reads the pages of importers: where it ends, and what it costs."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pytest_django import Settings

from importers.forwarding import recovery
from importers.gateway import rate_limit
from importers.local_persona import LocalPersona
from importers.models import Batch, Environment, Import
from tests.support.batches import keys, sends, the_only
from tests.support.forwarding import forward, share_is_used, time_passes
from tests.support.recovery import (
    ImportByOthers,
    importer_requests,
    is_imported_once,
    own_importers,
    recover,
)

Make = Callable[..., Import]
State = Batch.State
INDEX = "GET /importers"
pytestmark = pytest.mark.django_db


def test_each_recovery_page_uses_the_budget(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers
) -> None:
    sent = in_doubt(made=True)
    import_by_others(220, seconds_from_now=300)
    before = rate_limit.budget(Environment.LOCAL).used
    assert recovery.recover()
    assert importer_requests(persona) == 3
    assert rate_limit.budget(Environment.LOCAL).used - before == 3
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


def test_recovery_reads_back_to_first_attempt(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers
) -> None:
    import_by_others(150, seconds_from_now=-7200)
    sent = in_doubt(made=True)
    recover()
    assert importer_requests(persona) == 1
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


@pytest.mark.parametrize("made", [True, False])
def test_recovery_at_page_limit_decides_nothing(
    persona: LocalPersona,
    in_doubt: Make,
    import_by_others: ImportByOthers,
    monkeypatch: pytest.MonkeyPatch,
    made: bool,
) -> None:
    monkeypatch.setattr(recovery, "MAX_PAGES", 2)
    sent = in_doubt(made=made)
    import_by_others(220, seconds_from_now=300)
    recover()
    assert importer_requests(persona) == 2
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
    assert (batch.may_have_arrived, batch.candidates) == (True, [])
    assert batch.problem_detail.endswith("to list them all.")
    assert len(keys(persona)) == 1 + 220


def test_recovery_at_page_limit_adopts_nothing(
    persona: LocalPersona,
    make_import: Make,
    in_doubt: Make,
    import_by_others: ImportByOthers,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own importer is the only one that fits, as far as was read."""
    monkeypatch.setattr(recovery, "MAX_PAGES", 1)
    # However long the imports by others take here, the first page does not reach far enough back.
    monkeypatch.setattr(recovery, "CLOCK_MARGIN", timedelta(minutes=10))
    settings.BATCH_MAX_IMAGES = 1
    make_import(images=3, first_seed=10)
    forward()
    settings.BATCH_MAX_IMAGES = 50
    import_by_others(110)
    sent = in_doubt(made=True)
    recover()
    batch = the_only(sent)
    assert batch.problem == "ambiguous"
    assert [row["id"] for row in batch.candidates] == own_importers(persona, sent)


def test_recovery_on_the_last_allowed_page_decides(
    persona: LocalPersona,
    in_doubt: Make,
    import_by_others: ImportByOthers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recovery, "MAX_PAGES", 2)
    sent = in_doubt(made=True)
    import_by_others(120, seconds_from_now=300)
    recover()
    assert own_importers(persona, sent) == [the_only(sent).importer_id]


def test_recovery_resumes_when_budget_is_free(
    persona: LocalPersona, in_doubt: Make, import_by_others: ImportByOthers
) -> None:
    sent = in_doubt(made=True)
    import_by_others(120, seconds_from_now=300)
    share_is_used(149)
    assert recovery.recover()
    assert importer_requests(persona) == 1
    batch = the_only(sent)
    assert (batch.state, batch.recover_first) == (State.UNKNOWN, True)
    time_passes()
    forward()
    assert is_imported_once(persona, sent)


@pytest.mark.parametrize(
    "fault",
    [
        *("unauthorized", "forbidden", "rate_limited", "conflict", "unavailable"),
        *("bad_gateway", "server_error", "bad_request", "not_found", "drop_unmade"),
        *("broken_json", "no_id"),
    ],
)
def test_failed_recovery_is_repeated(persona: LocalPersona, in_doubt: Make, fault: str) -> None:
    sent = in_doubt(made=True)
    key = the_only(sent).idempotency_key
    persona.faults.inject(fault, where=INDEX)
    recover()
    batch = the_only(sent)
    assert (batch.state, batch.problem) == (State.UNKNOWN, "server_trouble")
    assert (batch.recover_first, batch.may_have_arrived) == (True, True)
    assert batch.idempotency_key == key
    forward()
    assert len(sends(persona)) == 1
    assert is_imported_once(persona, sent)
