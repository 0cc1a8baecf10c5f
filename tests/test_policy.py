"""What follows each answer of Persona to a send: one row for each."""

from datetime import timedelta

import pytest

from importers.forwarding import policy
from importers.forwarding.policy import Scope, Step
from importers.models import Batch
from importers.persona import errors
from importers.persona.errors import PersonaError

State = Batch.State


def answered(kind: type[PersonaError], status: int, pointer: str = "") -> PersonaError:
    return kind("Summary.", status=status, title="Title", detail="Detail", pointer=pointer)


NOT_CONNECTED = errors.NotConnected("No connection.")
NO_ANSWER = errors.NoAnswer("No answer.")
LIST_POINTER = "/data/attributes/list-id"


def said(status: int) -> str:
    return f"Persona answered {status}: Title: Detail"


@pytest.mark.parametrize(
    ("error", "may_have_arrived", "step"),
    [
        (
            NOT_CONNECTED,
            False,
            Step(State.QUEUED, "unreachable", "No connection.", scope=Scope.LINE),
        ),
        (
            NOT_CONNECTED,
            True,
            Step(State.UNKNOWN, "unreachable", "No connection.", scope=Scope.LINE),
        ),
        (
            NO_ANSWER,
            False,
            Step(State.UNKNOWN, "no_answer", "No answer.", timedelta(seconds=2), scope=Scope.LINE),
        ),
        (
            answered(errors.Unreadable, 200),
            False,
            Step(State.UNKNOWN, "no_clear_answer", said(200), timedelta(seconds=2)),
        ),
        (
            answered(errors.ServerTrouble, 500),
            False,
            Step(State.UNKNOWN, "no_clear_answer", said(500), timedelta(seconds=2)),
        ),
        (
            answered(errors.ServerTrouble, 408),
            True,
            Step(State.UNKNOWN, "no_clear_answer", said(408), timedelta(seconds=2)),
        ),
        (
            answered(errors.Conflict, 409),
            False,
            Step(State.UNKNOWN, "no_clear_answer", said(409), timedelta(seconds=2)),
        ),
        (
            answered(errors.KeyRefused, 401),
            False,
            Step(State.QUEUED, "key_refused", said(401), scope=Scope.LINE),
        ),
        (
            answered(errors.KeyRefused, 403),
            True,
            Step(State.UNKNOWN, "key_refused", said(403), scope=Scope.LINE),
        ),
        (
            answered(errors.RateLimited, 429),
            False,
            Step(State.QUEUED, "rate_limited", said(429), scope=Scope.LINE),
        ),
        (
            answered(errors.RateLimited, 429),
            True,
            Step(State.UNKNOWN, "rate_limited", said(429), scope=Scope.LINE),
        ),
        (
            answered(errors.KeyReused, 400),
            False,
            Step(State.FAILED, "key_reused", said(400)),
        ),
        (
            answered(errors.NotFound, 404),
            False,
            Step(State.QUEUED, "list_unknown", said(404), new_key=True, scope=Scope.LIST),
        ),
        (
            answered(errors.NotFound, 404),
            True,
            Step(State.QUEUED, "list_unknown", said(404), new_key=True, scope=Scope.LIST),
        ),
        (
            answered(errors.Refused, 422, LIST_POINTER),
            False,
            Step(State.QUEUED, "list_refused", said(422), new_key=True, scope=Scope.LIST),
        ),
        (
            answered(errors.Refused, 400, "/data/attributes/list_id"),
            False,
            Step(State.QUEUED, "list_refused", said(400), new_key=True, scope=Scope.LIST),
        ),
        (
            answered(errors.Refused, 422, "/data/attributes/image-files"),
            False,
            Step(State.FAILED, "refused", said(422)),
        ),
        (answered(errors.Refused, 400), False, Step(State.FAILED, "refused", said(400))),
        (answered(errors.Refused, 413), True, Step(State.FAILED, "refused", said(413))),
    ],
)
def test_each_answer_has_its_step(error: PersonaError, may_have_arrived: bool, step: Step) -> None:
    assert policy.after(error, 1, may_have_arrived=may_have_arrived) == step


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (10, 300), (10_000, 300)]
)
def test_the_wait_doubles_with_each_attempt_up_to_five_minutes(attempts: int, seconds: int) -> None:
    for error in (NO_ANSWER, answered(errors.ServerTrouble, 500)):
        step = policy.after(error, attempts, may_have_arrived=True)
        assert step.delay == timedelta(seconds=seconds)


def every_kind(kind: type[PersonaError] = PersonaError) -> list[type[PersonaError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every_kind(child))]


@pytest.mark.parametrize("kind", every_kind())
def test_a_batch_that_may_have_arrived_gets_a_new_key_only_where_persona_refused_it(
    kind: type[PersonaError],
) -> None:
    step = policy.after(answered(kind, 400), 1, may_have_arrived=True)
    assert not step.new_key or issubclass(kind, errors.Refused)
    assert step.state is not State.QUEUED or step.new_key


@pytest.mark.parametrize("kind", every_kind())
def test_every_step_leads_out_of_sending_and_says_why(kind: type[PersonaError]) -> None:
    step = policy.after(answered(kind, 400), 1, may_have_arrived=False)
    assert step.state in (State.QUEUED, State.UNKNOWN, State.FAILED)
    assert step.problem
    assert step.sentence
