"""What follows each answer of Persona to a send, and each look: one row for each."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from importers.forwarding import policy
from importers.forwarding.policy import AMBIGUOUS, CONFLICT, SERVER_TROUBLE, Before, Scope, Step
from importers.models import Batch
from importers.persona import errors
from importers.persona.errors import PersonaError

State = Batch.State
FIRST, DOUBTED = Before(), Before(may_have_arrived=True)
AT_ONCE, MINUTE = timedelta(), timedelta(seconds=60)


def answered(
    kind: type[PersonaError], status: int, pointer: str = "", request_id: str = "req_1"
) -> PersonaError:
    words = {"title": "Title", "detail": "Detail", "pointer": pointer}
    return kind("Summary.", status=status, request_id=request_id, **words)


NOT_CONNECTED = errors.NotConnected("No connection.")
NO_ANSWER = errors.NoAnswer("No answer.")
LIST_POINTER = "/data/attributes/list-id"
TROUBLE = answered(errors.ServerTrouble, 500)
UNREADABLE = answered(errors.Unreadable, 200)
BUSY = answered(errors.Conflict, 409)


def said(status: int) -> str:
    return f"Persona answered {status}: Title: Detail"


def waits(problem: str, sentence: str, *, scope: Scope = Scope.BATCH) -> Step:
    """In doubt: after 2 seconds, the same again under the same key."""
    delay = timedelta(seconds=2)
    return Step(State.UNKNOWN, problem, sentence, delay, scope, may_have_arrived=True)


def looks(problem: str, sentence: str) -> Step:
    """In doubt: after a minute, its importer is looked for."""
    return Step(State.UNKNOWN, problem, sentence, MINUTE, may_have_arrived=True, look_first=True)


def held(state: Batch.State, problem: str, sentence: str) -> Step:
    doubted = state is State.UNKNOWN
    return Step(state, problem, sentence, scope=Scope.LINE, may_have_arrived=doubted)


def refused_list(problem: str, status: int) -> Step:
    return Step(State.QUEUED, problem, said(status), scope=Scope.LIST, new_key=True)


@pytest.mark.parametrize(
    ("error", "before", "step"),
    [
        (NOT_CONNECTED, FIRST, held(State.QUEUED, "unreachable", "No connection.")),
        (NOT_CONNECTED, DOUBTED, held(State.UNKNOWN, "unreachable", "No connection.")),
        (NO_ANSWER, FIRST, waits("no_answer", "No answer.", scope=Scope.LINE)),
        (NO_ANSWER, DOUBTED, waits("no_answer", "No answer.", scope=Scope.LINE)),
        (answered(errors.ServerTrouble, 408), FIRST, waits("no_answer", said(408))),
        (UNREADABLE, FIRST, waits(SERVER_TROUBLE, said(200))),
        (UNREADABLE, Before(1, True, SERVER_TROUBLE), looks(SERVER_TROUBLE, said(200))),
        (TROUBLE, FIRST, waits(SERVER_TROUBLE, said(500))),
        (TROUBLE, Before(1, True, "no_answer"), waits(SERVER_TROUBLE, said(500))),
        (TROUBLE, Before(1, True, SERVER_TROUBLE), looks(SERVER_TROUBLE, said(500))),
        (TROUBLE, Before(1, True, CONFLICT), waits(SERVER_TROUBLE, said(500))),
        (BUSY, FIRST, looks(CONFLICT, said(409))),
        (BUSY, DOUBTED, looks(CONFLICT, said(409))),
        (
            answered(errors.KeyRefused, 401),
            FIRST,
            held(State.QUEUED, "key_refused", said(401)),
        ),
        (
            answered(errors.KeyRefused, 403),
            DOUBTED,
            held(State.UNKNOWN, "key_refused", said(403)),
        ),
        (
            answered(errors.RateLimited, 429),
            FIRST,
            held(State.QUEUED, "rate_limited", said(429)),
        ),
        (
            answered(errors.RateLimited, 429),
            DOUBTED,
            held(State.UNKNOWN, "rate_limited", said(429)),
        ),
        (answered(errors.KeyReused, 400), FIRST, Step(State.FAILED, "key_reused", said(400))),
        (
            answered(errors.KeyReused, 400),
            DOUBTED,
            Step(State.FAILED, "key_reused", said(400), may_have_arrived=True),
        ),
        (answered(errors.NotFound, 404), FIRST, refused_list("list_unknown", 404)),
        (answered(errors.NotFound, 404), DOUBTED, refused_list("list_unknown", 404)),
        (
            answered(errors.Refused, 422, LIST_POINTER),
            FIRST,
            refused_list("list_refused", 422),
        ),
        (
            answered(errors.Refused, 400, "/data/attributes/list_id"),
            FIRST,
            refused_list("list_refused", 400),
        ),
        (
            answered(errors.Refused, 422, "/data/attributes/image-files"),
            FIRST,
            Step(State.FAILED, "refused", said(422)),
        ),
        (answered(errors.Refused, 400), FIRST, Step(State.FAILED, "refused", said(400))),
        (answered(errors.Refused, 413), DOUBTED, Step(State.FAILED, "refused", said(413))),
        (answered(PersonaError, 302), FIRST, waits("no_clear_answer", said(302))),
        (answered(PersonaError, 302), DOUBTED, waits("no_clear_answer", said(302))),
    ],
)
def test_each_answer_has_its_step(error: PersonaError, before: Before, step: Step) -> None:
    assert policy.after(error, before) == step


@pytest.mark.parametrize(
    ("kind", "status", "pointer"),
    [
        (errors.NotFound, 404, ""),
        (errors.Refused, 422, LIST_POINTER),
        (errors.Refused, 413, ""),
        (errors.KeyReused, 400, ""),
    ],
)
def test_a_refusal_without_a_request_id_is_no_clear_answer_once_in_doubt(
    kind: type[PersonaError], status: int, pointer: str
) -> None:
    error = answered(kind, status, pointer, request_id="")
    assert policy.after(error, DOUBTED) == waits("no_clear_answer", said(status))
    assert not policy.after(error, FIRST).may_have_arrived


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (10, 300), (10_000, 300)]
)
def test_the_wait_doubles_with_each_attempt_up_to_five_minutes(attempts: int, seconds: int) -> None:
    before = Before(attempts, may_have_arrived=True)
    steps = [policy.after(error, before) for error in (NO_ANSWER, TROUBLE)]
    steps.append(policy.after_look(Before(attempts, True, CONFLICT), arrived=False, key_lives=True))
    assert [step.delay for step in steps] == [timedelta(seconds=seconds)] * 3


class TestALook:
    def test_that_found_nothing_leads_to_a_new_key(self) -> None:
        for problem in ("", "no_answer", SERVER_TROUBLE):
            for key_lives in (True, False):
                step = policy.after_look(
                    Before(3, True, problem), arrived=False, key_lives=key_lives
                )
                assert (step.state, step.problem) == (State.QUEUED, "not_arrived")
                assert (step.new_key, step.may_have_arrived) == (True, False)

    def test_that_found_nothing_after_a_conflict_leads_to_the_same_key_while_it_lives(
        self,
    ) -> None:
        busy = Before(1, True, CONFLICT)
        same = policy.after_look(busy, arrived=False, key_lives=True)
        assert same == Step(
            *(State.UNKNOWN, CONFLICT, same.sentence, timedelta(seconds=2)), may_have_arrived=True
        )
        assert policy.after_look(busy, arrived=False, key_lives=False).new_key

    @pytest.mark.parametrize("key_lives", [True, False])
    @pytest.mark.parametrize("problem", ["no_answer", CONFLICT, SERVER_TROUBLE])
    def test_that_cannot_decide_needs_a_person(self, key_lives: bool, problem: str) -> None:
        step = policy.after_look(Before(3, True, problem), arrived=True, key_lives=key_lives)
        assert (step.state, step.problem) == (State.FAILED, AMBIGUOUS)
        assert (step.may_have_arrived, step.new_key) == (True, False)
        assert "can't be told for sure which import at Persona is its own" in step.sentence

    @pytest.mark.parametrize("problem", ["no_answer", CONFLICT, SERVER_TROUBLE])
    def test_that_could_not_tell_yet_is_done_again_and_keeps_why(self, problem: str) -> None:
        step = policy.look_later("Words.", Before(3, True, problem))
        assert step == Step(
            *(State.UNKNOWN, problem, "Words.", timedelta(seconds=15)),
            may_have_arrived=True,
            look_first=True,
        )

    def test_that_could_not_tell_yet_always_says_why(self) -> None:
        assert policy.look_later("Words.", Before(1, True, "")).problem == "no_answer"


@pytest.mark.parametrize("before", [FIRST, DOUBTED])
class TestWhatComesBeforeASend:
    def test_storage_that_cannot_be_read_is_tried_again_as_the_batch_stood(
        self, before: Before
    ) -> None:
        step = policy.after_unreadable("Words.", before, missing=False)
        arrived = before.may_have_arrived
        assert step == Step(
            State.UNKNOWN if arrived else State.QUEUED,
            *("storage_unreadable", "Words.", timedelta(seconds=2)),
            may_have_arrived=arrived,
        )

    def test_an_image_that_is_gone_needs_a_person(self, before: Before) -> None:
        step = policy.after_unreadable("Words.", before, missing=True)
        arrived = before.may_have_arrived
        assert step == Step(State.FAILED, "image_missing", "Words.", may_have_arrived=arrived)

    def test_a_batch_that_did_not_go_out_is_as_it_was(self, before: Before) -> None:
        arrived = before.may_have_arrived
        state = State.UNKNOWN if arrived else State.QUEUED
        assert policy.given_back(before) == Step(state, "", "", may_have_arrived=arrived)

    def test_a_broken_seal_needs_a_person(self, before: Before) -> None:
        arrived = before.may_have_arrived
        assert policy.seal_is_broken("Words.", before) == Step(
            State.FAILED, "seal_broken", "Words.", may_have_arrived=arrived
        )


def test_an_importer_of_another_batch_needs_a_person_and_the_doubt_stays() -> None:
    assert policy.importer_is_taken("mprt_7") == Step(
        *(State.FAILED, "importer_taken"),
        "Persona answered with importer mprt_7, which another batch already has.",
        may_have_arrived=True,
    )


def every_kind(kind: type[PersonaError] = PersonaError) -> list[type[PersonaError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every_kind(child))]


@pytest.mark.parametrize("kind", every_kind())
def test_a_batch_that_may_have_arrived_gets_a_new_key_only_where_persona_refused_it(
    kind: type[PersonaError],
) -> None:
    step = policy.after(answered(kind, 400), DOUBTED)
    assert not step.new_key or issubclass(kind, errors.Refused)
    assert step.state is not State.QUEUED or step.new_key
    assert not policy.after(answered(kind, 400, request_id=""), DOUBTED).new_key


@pytest.mark.parametrize("kind", every_kind())
def test_every_step_leads_out_of_sending_and_says_why(kind: type[PersonaError]) -> None:
    step = policy.after(answered(kind, 400), FIRST)
    assert step.state in (State.QUEUED, State.UNKNOWN, State.FAILED)
    assert step.problem
    assert step.sentence


@pytest.mark.parametrize("before", [FIRST, DOUBTED])
@pytest.mark.parametrize("kind", every_kind())
def test_only_a_send_that_surely_came_to_nothing_is_held(
    kind: type[PersonaError], before: Before
) -> None:
    nothing = (errors.NotConnected, errors.KeyRefused, errors.RateLimited)
    assert policy.after(answered(kind, 400), before).is_held == (kind in nothing)


IN_DOUBT = (PersonaError, errors.NoAnswer, errors.Unreadable, errors.ServerTrouble, errors.Conflict)
REFUSED = (errors.Refused, errors.NotFound)
STATUSES = st.sampled_from([200, 302, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 504])
POINTERS = st.sampled_from(["", LIST_POINTER, "/data/attributes/image-files"])


class AnyTalkWithPersona(RuleBasedStateMachine):
    """One batch through whatever answers.

    `doubt` is kept by what happened, not by what the policy says of it; `imported_under` is what
    only Persona knows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before = Before(attempts=0)
        self.step = Step(State.QUEUED, "", "")
        self.key = 1
        self.doubt = False
        self.imported_under: set[int] = set()

    @property
    def may_go_on(self) -> bool:
        return self.step.state is not State.FAILED

    @precondition(lambda self: self.may_go_on and not self.step.look_first)
    @rule(
        kind=st.sampled_from(every_kind()),
        status=STATUSES,
        pointer=POINTERS,
        signed=st.booleans(),
        arrives=st.booleans(),
    )
    def is_sent(
        self, kind: type[PersonaError], status: int, pointer: str, signed: bool, arrives: bool
    ) -> None:
        refused = kind in REFUSED and signed
        if refused and self.imported_under:
            return  # Persona would repeat its first answer
        before = self.attempt()
        if kind in IN_DOUBT:
            self.doubt = True
            self.imported_under |= {self.key} if arrives else set()
        error = answered(kind, status, pointer, "req_1" if signed else "")
        self.goes_on(policy.after(error, before), may_renew=refused)

    @precondition(lambda self: self.may_go_on and self.doubt)
    @rule(strangers=st.integers(0, 3), is_sure=st.booleans(), key_lives=st.booleans())
    def is_looked_for(self, strangers: int, is_sure: bool, key_lives: bool) -> None:
        found = len(self.imported_under) + strangers
        if found == 1 and is_sure:
            return  # it is adopted: see test_reconcile
        arrived = found > 0 or not is_sure
        step = policy.after_look(self.attempt(), arrived=arrived, key_lives=key_lives)
        self.goes_on(step, may_renew=not arrived)

    @precondition(lambda self: self.may_go_on and not self.step.look_first)
    @rule()
    def is_answered_with_the_importer_of_another(self) -> None:
        self.attempt()
        self.doubt = True
        self.goes_on(policy.importer_is_taken("mprt_7"), may_renew=False)

    @precondition(lambda self: self.may_go_on and self.doubt)
    @rule()
    def cannot_be_looked_for_yet(self) -> None:
        self.goes_on(policy.look_later("Words.", self.attempt()), may_renew=False)

    @precondition(lambda self: self.may_go_on and not self.step.look_first)
    @rule(missing=st.booleans())
    def cannot_be_read_from_storage(self, missing: bool) -> None:
        step = policy.after_unreadable("Words.", self.attempt(), missing=missing)
        self.goes_on(step, may_renew=False)

    @precondition(lambda self: not self.may_go_on)
    @rule()
    def a_person_tries_again(self) -> None:
        if self.step.problem == AMBIGUOUS:
            return  # only `decide` leads on: see test_reconcile
        if self.step.may_have_arrived:
            soon = timedelta(seconds=1)
            self.step = replace(self.step, state=State.UNKNOWN, look_first=True, delay=soon)
            return
        self.key += 1
        self.step = Step(State.QUEUED, "", "")

    def attempt(self) -> Before:
        self.before = Before(self.before.attempts + 1, self.doubt, self.step.problem)
        return self.before

    def goes_on(self, step: Step, *, may_renew: bool) -> None:
        assert may_renew or not self.doubt or not step.new_key
        assert step.may_have_arrived or may_renew or not self.doubt
        if step.new_key:
            self.key += 1
        if may_renew and not step.may_have_arrived:
            self.doubt = False
        self.step = step

    @invariant()
    def a_new_key_is_only_for_what_did_not_arrive(self) -> None:
        assert self.imported_under <= {self.key}

    @invariant()
    def we_know_of_every_doubt(self) -> None:
        assert self.step.may_have_arrived == self.doubt
        assert self.step.state is not State.QUEUED or not self.doubt
        assert self.step.state is not State.UNKNOWN or self.doubt

    @invariant()
    def it_goes_on_in_time_or_a_person_is_asked(self) -> None:
        assert AT_ONCE <= self.step.delay <= timedelta(minutes=5)
        alone = self.step.scope is Scope.BATCH and self.step.state is State.UNKNOWN
        assert self.step.delay or not alone
        assert self.step.state in (State.QUEUED, State.UNKNOWN, State.FAILED)


AnyTalkWithPersona.TestCase.settings = settings(max_examples=200, stateful_step_count=25)
TestWhateverPersonaSays = AnyTalkWithPersona.TestCase
