"""The key, Persona's headers and the rate limit."""

import re

import pytest

from importers.local_persona import LocalPersona
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


def test_missing_key_is_answered_with_401(client: Caller) -> None:
    del client.headers["Authorization"]
    missing = "Must be authenticated to access this endpoint"
    assert errors(client.get("lists")) == (401, [{"title": missing}])


@pytest.mark.parametrize("given", ["Bearer other", "Basic persona_sandbox_local", "Bearer é"])
def test_wrong_key_is_answered_with_401(client: Caller, given: str) -> None:
    answer = client.get("lists", headers={"Authorization": given.encode()})
    assert errors(answer) == (401, [{"title": "Token is invalid"}])


def test_401_has_none_of_persona_s_headers(client: Caller) -> None:
    answer = client.get("lists", headers={"Authorization": "Bearer other"})
    assert not {*ENVELOPE, *RATE} & set(answer.headers)


def test_401_leaves_the_idempotency_key_unused(client: Caller, fraud: str) -> None:
    refused = client.send_faces(fraud, picture(1), key="k", Authorization="x")
    assert refused.status_code == 401
    assert client.send_faces(fraud, picture(1), key="k").status_code == 201


def test_accepted_key_can_be_chosen() -> None:
    with LocalPersona(api_key="persona_sandbox_mine") as persona, Caller(persona) as client:
        assert persona.key == "persona_sandbox_mine"
        assert client.get("lists").status_code == 200


@pytest.mark.parametrize(("path", "status"), [("lists", 200), ("lists/lst_none", 404)])
def test_every_other_answer_has_persona_s_headers(client: Caller, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert set(answer.headers) >= {*ENVELOPE, *RATE}
    assert re.fullmatch(r"req_\w{24}", answer.headers["Request-Id"])
    assert answer.headers["Persona-Environment-Id"].startswith("env_")
    assert answer.headers["Persona-Organization-Id"].startswith("org_")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Retry-After" not in answer.headers


def test_each_answer_has_its_own_request_id(client: Caller) -> None:
    first, second = client.get("lists"), client.get("lists")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]


def test_rate_window_starts_with_the_first_request(client: Caller, clock: SetClock) -> None:
    assert rate(client.get("lists")) == ["300", "299", "60"]
    clock.now += 59.5
    assert rate(client.get("lists")) == ["300", "298", "1"]
    clock.now += 0.5
    assert rate(client.get("lists")) == ["300", "299", "60"]


def test_rate_window_can_be_shortened(clock: SetClock) -> None:
    persona = LocalPersona(rate_limit=1, window_seconds=0.5, clock=clock)
    with persona, Caller(persona) as client:
        assert rate(client.get("lists")) == ["1", "0", "1"]
        clock.now += 0.4
        assert client.get("lists").status_code == 429
        clock.now += 0.1
        assert client.get("lists").status_code == 200


def test_requests_over_the_limit_get_429(clock: SetClock) -> None:
    with LocalPersona(rate_limit=2, clock=clock) as persona, Caller(persona) as client:
        assert [client.get("lists").status_code for _ in range(2)] == [200, 200]
        refused = client.get("lists")
        status, [problem] = errors(refused)
        assert (status, problem["title"]) == (429, "Rate limit exceeded")
        assert problem["details"] == (
            "You have hit your rate limit of 2 requests / min. "
            "Please reach out to support@withpersona.com if you need this changed."
        )
        assert rate(refused) == ["2", "0", "60"]
        clock.now += 60
        assert client.get("lists").status_code == 200


def test_429_leaves_the_idempotency_key_unused(clock: SetClock) -> None:
    with LocalPersona(rate_limit=1, clock=clock) as persona, Caller(persona) as client:
        fraud = persona.add_list("Fraud")
        client.get("lists")
        assert title(client.send_faces(fraud, picture(1), key="k"))[0] == 429
        clock.now += 60
        assert client.send_faces(fraud, picture(1), key="k").status_code == 201


def test_wrong_key_does_not_count(clock: SetClock) -> None:
    with LocalPersona(rate_limit=1, clock=clock) as persona, Caller(persona) as client:
        client.get("lists", headers={"Authorization": "Bearer other"})
        assert client.get("lists").status_code == 200


def test_rate_limit_can_be_switched_off() -> None:
    with LocalPersona(rate_limit=None) as persona, Caller(persona) as client:
        answers = [client.get("lists") for _ in range(310)]
    assert {answer.status_code for answer in answers} == {200}
    assert not set(RATE) & set(answers[0].headers)
