"""Which fault strikes which request, and how often."""

import pytest

from importers.local_persona import IMPORTERS, LocalPersona
from tests.support.local_persona import Caller, picture


def test_fault_strikes_the_given_number_of_times(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("forbidden", times=2)
    assert [client.get("lists").status_code for _ in range(3)] == [403, 403, 200]


def test_fault_strikes_only_where_its_pattern_fits(
    client: Caller, persona: LocalPersona, fraud: str
) -> None:
    persona.faults.inject("forbidden", where=IMPORTERS)
    assert client.get("lists").status_code == 200
    assert client.send_faces(fraud, picture(1)).status_code == 201
    assert client.get("importers/mprt_none").status_code == 403


def test_faults_strike_in_order_of_injection(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("unavailable")
    persona.faults.inject("forbidden")
    assert [client.get("lists").status_code for _ in range(3)] == [503, 403, 200]


def test_one_kind_can_be_cleared(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("unavailable", times=None)
    kept = persona.faults.inject("forbidden", times=None)
    persona.faults.clear("unavailable")
    assert persona.faults.armed() == (kept,)
    assert client.get("lists").status_code == 403


def test_refused_request_uses_up_no_fault(client: Caller, persona: LocalPersona) -> None:
    persona.faults.inject("forbidden")
    client.get("lists", headers={"Authorization": "Bearer other"})
    assert client.get("lists").status_code == 403


def test_impossible_fault_is_refused(persona: LocalPersona) -> None:
    with pytest.raises(ValueError, match="no fault 'earthquake'"):
        persona.faults.inject("earthquake")
    with pytest.raises(ValueError, match="at least once"):
        persona.faults.inject("slow", times=0)
    with pytest.raises(ValueError, match="'drop_made' forces no reply"):
        persona.faults.inject("drop_made", cached=True)
