import threading
from concurrent.futures import ThreadPoolExecutor

from importers.local_persona import IMPORT, LocalPersona
from tests.support.local_persona import Caller, SetClock, errors, picture, rate

DAY_SECONDS = 24 * 60 * 60


def test_same_key_replays_the_first_answer(
    client: Caller, persona: LocalPersona, fraud: str
) -> None:
    first = client.send_faces(fraud, picture(1), key="k")
    again = client.send_faces(fraud, picture(1), key="k")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Request-Id"] == first.headers["Request-Id"]
    assert rate(again) == ["300", "298", "60"]
    assert len(persona.ledger()) == 1


def test_key_reused_with_other_files_gets_400(
    client: Caller, persona: LocalPersona, fraud: str
) -> None:
    client.send_faces(fraud, picture(1), key="abc_123")
    status, [problem] = errors(client.send_faces(fraud, picture(2), key="abc_123"))
    assert (status, problem["title"]) == (400, "Idempotency error")
    assert problem["details"] == (
        "Keys for idempotent requests can only be used with the same parameters they were "
        "first used with. Try using a key other than 'abc_123' if you meant to execute a "
        "different request."
    )
    assert len(persona.ledger()) == 1


def test_order_of_files_is_a_parameter(client: Caller, fraud: str) -> None:
    client.send_faces(fraud, picture(1), picture(2), key="k")
    assert client.send_faces(fraud, picture(2), picture(1), key="k").status_code == 400


def test_list_is_a_parameter(client: Caller, persona: LocalPersona, fraud: str) -> None:
    client.send_faces(fraud, picture(1), key="k")
    assert client.send_faces(persona.add_list("Other"), picture(1), key="k").status_code == 400


def test_key_belongs_to_one_path(client: Caller, fraud: str) -> None:
    client.post("elsewhere", headers={"Idempotency-Key": "k"})
    assert client.send_faces(fraud, picture(1), key="k").status_code == 201


def test_refusal_is_replayed_even_if_it_would_pass_now(
    client: Caller, persona: LocalPersona
) -> None:
    persona.faults.inject("not_found")
    fraud = persona.add_list("Fraud")
    first = client.send_faces(fraud, picture(1), key="k")
    again = client.send_faces(fraud, picture(1), key="k")
    assert (first.status_code, again.status_code) == (404, 404)
    assert again.headers["Request-Id"] == first.headers["Request-Id"]


def test_refusal_of_persona_s_own_is_replayed(client: Caller, fraud: str) -> None:
    client.delete(f"lists/{fraud}")
    first = client.send_faces(fraud, picture(1), key="k")
    again = client.send_faces(fraud, picture(1), key="k")
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.headers["Request-Id"] == first.headers["Request-Id"]


def test_key_is_forgotten_after_24_hours(
    client: Caller, persona: LocalPersona, clock: SetClock, fraud: str
) -> None:
    client.send_faces(fraud, picture(1), key="k")
    clock.now += DAY_SECONDS - 1
    client.send_faces(fraud, picture(1), key="k")
    assert len(persona.ledger()) == 1
    clock.now += 1
    client.send_faces(fraud, picture(1), key="k")
    assert len(persona.ledger()) == 2


def test_each_request_without_a_key_is_executed(
    client: Caller, persona: LocalPersona, fraud: str
) -> None:
    client.send_faces(fraud, picture(1))
    client.send_faces(fraud, picture(1))
    assert [entry.idempotency_key for entry in persona.ledger()] == [None, None]


def test_key_on_a_get_has_no_effect(client: Caller, persona: LocalPersona) -> None:
    headers = {"Idempotency-Key": "k"}
    before = client.get("lists", headers=headers).json()
    persona.add_list("New")
    assert client.get("lists", headers=headers).json() != before


def test_key_in_use_gets_409() -> None:
    running, resume = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        running.set()
        resume.wait(10)

    with LocalPersona(pause=pause) as persona, ThreadPoolExecutor(1) as pool:
        persona.faults.inject("slow", where=IMPORT)
        fraud = persona.add_list("Fraud")

        def send() -> int:
            with Caller(persona) as client:
                return client.send_faces(fraud, picture(1), key="k").status_code

        first = pool.submit(send)
        assert running.wait(10)
        meanwhile = send()
        resume.set()
        assert [first.result(10), meanwhile, send()] == [201, 409, 201]
        assert len(persona.ledger()) == 1
