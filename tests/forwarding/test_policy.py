"""The step after each answer to a send, and after each recovery."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from importers.forwarding import policy
from importers.forwarding.policy import Before, Step
from importers.models import Batch, Problem
from importers.persona import errors
from importers.persona.errors import PersonaError

State = Batch.State
FIRST, DOUBTED = Before(), Before(may_have_arrived=True)
TROUBLED = Before(1, may_have_arrived=True, problem="server_trouble")
TRIED_TWICE = Before(3, may_have_arrived=True, problem="no_answer", tries=2)
AT_ONCE = timedelta()


def answered(
    kind: type[PersonaError], status: int, pointer: str = "", request_id: str = "req_1"
) -> PersonaError:
    words = {"title": "Title", "detail": "Detail", "pointer": pointer}
    return kind("Summary.", status=status, request_id=request_id, **words)


NOT_CONNECTED = errors.NotConnected("No connection.")
NO_ANSWER = errors.NoAnswer("No answer.")
LIST_POINTER = "/data/attributes/list-id"
TROUBLE = answered(errors.ServerTrouble, 500)
GATEWAY = answered(errors.ServerTrouble, 502, request_id="")
UNREADABLE = answered(errors.Unreadable, 200)
BUSY = answered(errors.Conflict, 409)
TIMED_OUT = answered(errors.ServerTrouble, 408)
LIST_REFUSED = answered(errors.Refused, 422, LIST_POINTER)
LIST_REFUSED_IN_SNAKE_CASE = answered(errors.Refused, 400, "/data/attributes/list_id")
FILES_REFUSED = answered(errors.Refused, 422, "/data/attributes/image-files")


DOUBT, RECOVER, NEW_KEY, HOLD = "may_have_arrived", "recover_first", "new_key", "holds_list"
FLAGS = (DOUBT, RECOVER, NEW_KEY, HOLD)


def facts(step: Step) -> tuple[str, str, int, set[str]]:
    """Return a step as the tables write it: state, problem, seconds to wait, flags that are set."""
    flags = {flag for flag in FLAGS if getattr(step, flag)}
    return step.state, step.problem, round(step.delay.total_seconds()), flags


@pytest.mark.parametrize(
    ("error", "before", "expected"),
    [
        (NOT_CONNECTED, FIRST, ("queued", "unreachable", 0, set())),
        (NOT_CONNECTED, DOUBTED, ("unknown", "unreachable", 0, {DOUBT})),
        (NO_ANSWER, FIRST, ("unknown", "no_answer", 0, {DOUBT})),
        (NO_ANSWER, DOUBTED, ("unknown", "no_answer", 0, {DOUBT})),
        (TIMED_OUT, FIRST, ("unknown", "no_answer", 0, {DOUBT})),
        (NO_ANSWER, TRIED_TWICE, ("unknown", "no_answer", 60, {DOUBT, RECOVER})),
        (GATEWAY, FIRST, ("unknown", "gateway_trouble", 0, {DOUBT})),
        (GATEWAY, TROUBLED, ("unknown", "gateway_trouble", 0, {DOUBT})),
        (GATEWAY, TRIED_TWICE, ("unknown", "gateway_trouble", 60, {DOUBT, RECOVER})),
        (UNREADABLE, FIRST, ("unknown", "server_trouble", 0, {DOUBT})),
        (UNREADABLE, TROUBLED, ("unknown", "server_trouble", 10, {DOUBT, RECOVER})),
        (TROUBLE, FIRST, ("unknown", "server_trouble", 0, {DOUBT})),
        (TROUBLE, Before(1, True, "no_answer"), ("unknown", "server_trouble", 0, {DOUBT})),
        (TROUBLE, TROUBLED, ("unknown", "server_trouble", 10, {DOUBT, RECOVER})),
        (TROUBLE, Before(1, True, "conflict"), ("unknown", "server_trouble", 0, {DOUBT})),
        (BUSY, FIRST, ("unknown", "conflict", 60, {DOUBT, RECOVER})),
        (BUSY, DOUBTED, ("unknown", "conflict", 60, {DOUBT, RECOVER})),
        (answered(errors.KeyRefused, 401), FIRST, ("queued", "key_refused", 0, set())),
        (answered(errors.KeyRefused, 403), DOUBTED, ("unknown", "key_refused", 0, {DOUBT})),
        (answered(errors.RateLimited, 429), FIRST, ("queued", "rate_limited", 0, set())),
        (answered(errors.RateLimited, 429), DOUBTED, ("unknown", "rate_limited", 0, {DOUBT})),
        (answered(errors.KeyReused, 400), FIRST, ("failed", "key_reused", 0, set())),
        (answered(errors.KeyReused, 400), DOUBTED, ("failed", "key_reused", 0, {DOUBT})),
        (answered(errors.NotFound, 404), FIRST, ("queued", "list_unknown", 0, {NEW_KEY, HOLD})),
        (answered(errors.NotFound, 404), DOUBTED, ("queued", "list_unknown", 0, {NEW_KEY, HOLD})),
        (LIST_REFUSED, FIRST, ("queued", "list_refused", 0, {NEW_KEY, HOLD})),
        (LIST_REFUSED_IN_SNAKE_CASE, FIRST, ("queued", "list_refused", 0, {NEW_KEY, HOLD})),
        (FILES_REFUSED, FIRST, ("failed", "refused", 0, set())),
        (answered(errors.Refused, 400), FIRST, ("failed", "refused", 0, set())),
        (answered(errors.Refused, 413), DOUBTED, ("failed", "refused", 0, set())),
        (answered(PersonaError, 302), FIRST, ("unknown", "no_clear_answer", 2, {DOUBT})),
        (answered(PersonaError, 302), DOUBTED, ("unknown", "no_clear_answer", 2, {DOUBT})),
    ],
)
def test_each_answer_leads_to_its_step(
    error: PersonaError, before: Before, expected: tuple[str, str, int, set[str]]
) -> None:
    assert facts(policy.after(error, before)) == expected


def test_step_repeats_personas_words_with_the_status() -> None:
    assert policy.after(TROUBLE, FIRST).sentence == "Persona answered 500: Title: Detail"
    assert policy.after(NO_ANSWER, FIRST).sentence == "No answer."
    untitled = errors.Refused("Summary.", status=422, request_id="req_1", detail="Too long")
    assert policy.after(untitled, FIRST).sentence == "Persona answered 422: Too long"


@pytest.mark.parametrize(
    ("kind", "status", "pointer"),
    [
        (errors.NotFound, 404, ""),
        (errors.Refused, 422, LIST_POINTER),
        (errors.Refused, 413, ""),
        (errors.KeyReused, 400, ""),
    ],
)
def test_refusal_without_request_id_keeps_doubt(
    kind: type[PersonaError], status: int, pointer: str
) -> None:
    error = answered(kind, status, pointer, request_id="")
    assert facts(policy.after(error, DOUBTED)) == ("unknown", "no_clear_answer", 2, {DOUBT})
    assert not policy.after(error, FIRST).may_have_arrived


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2), (2, 4), (5, 32), (8, 256), (9, 300), (10, 300), (10_000, 300)]
)
def test_wait_doubles_up_to_five_minutes(attempts: int, seconds: int) -> None:
    before = Before(attempts, may_have_arrived=True)
    steps = [policy.after(answered(PersonaError, 302), before)]
    steps += [
        policy.not_found_at_persona(
            Before(attempts, True, problem), key_lives=True, others_accepted=False
        )
        for problem in ("conflict", "no_answer")
    ]
    assert [step.delay for step in steps] == [timedelta(seconds=seconds)] * 3


class TestRecovery:
    def test_recovery_without_match_gives_a_new_key(self) -> None:
        for problem in ("", "no_answer", "server_trouble"):
            for key_lives in (True, False):
                step = policy.not_found_at_persona(
                    Before(3, True, problem), key_lives=key_lives, others_accepted=True
                )
                assert (step.state, step.problem) == (State.QUEUED, "not_arrived")
                assert (step.new_key, step.may_have_arrived) == (True, False)

    def test_recovery_after_conflict_keeps_valid_key(self) -> None:
        busy = Before(1, True, "conflict")
        same = policy.not_found_at_persona(busy, key_lives=True, others_accepted=False)
        assert facts(same) == ("unknown", "conflict", 2, {DOUBT})
        new = policy.not_found_at_persona(busy, key_lives=False, others_accepted=False)
        assert new.new_key

    @pytest.mark.parametrize(
        ("doubts", "others_accepted", "state"),
        [(9, True, State.QUEUED), (10, False, State.QUEUED), (10, True, State.FAILED)],
    )
    def test_batch_on_which_only_persona_fails_needs_a_person(
        self, doubts: int, others_accepted: bool, state: Batch.State
    ) -> None:
        step = policy.not_found_at_persona(
            Before(20, True, "server_trouble", doubts=doubts),
            key_lives=True,
            others_accepted=others_accepted,
        )
        assert (step.state, step.new_key, step.may_have_arrived) == (state, True, False)

    @pytest.mark.parametrize("problem", ["no_answer", "conflict", "server_trouble"])
    def test_ambiguous_recovery_needs_a_person(self, problem: str) -> None:
        step = policy.ambiguous(Before(3, True, problem), all_read=True)
        assert facts(step) == ("failed", "ambiguous", 0, {DOUBT})
        assert "could not confirm which Persona import" in step.sentence

    def test_ambiguous_recovery_says_if_not_all_was_read(self) -> None:
        step = policy.ambiguous(Before(3, True, "no_answer"), all_read=False)
        assert "Too many imports were created at that time" in step.sentence


@pytest.mark.parametrize("before", [FIRST, DOUBTED])
class TestBeforeTheRequest:
    def test_unreadable_storage_is_tried_again(self, before: Before) -> None:
        step = policy.unreadable("Words.", before, missing=False)
        arrived = before.may_have_arrived
        assert step == Step(
            State.UNKNOWN if arrived else State.QUEUED,
            *("storage_unreadable", "Words.", timedelta(seconds=2)),
            may_have_arrived=arrived,
            recover_first=arrived,
        )

    def test_missing_image_needs_a_person(self, before: Before) -> None:
        step = policy.unreadable("Words.", before, missing=True)
        arrived = before.may_have_arrived
        assert step == Step(State.FAILED, "image_missing", "Words.", may_have_arrived=arrived)

    def test_broken_seal_needs_a_person(self, before: Before) -> None:
        arrived = before.may_have_arrived
        assert policy.seal_is_broken("Words.", before) == Step(
            State.FAILED, "seal_broken", "Words.", may_have_arrived=arrived
        )


def test_importer_of_another_batch_keeps_the_doubt() -> None:
    assert policy.importer_is_claimed("mprt_7") == Step(
        *(State.FAILED, "importer_taken"),
        "Persona answered with importer mprt_7, which belongs to another batch.",
        may_have_arrived=True,
    )


def every_kind(kind: type[PersonaError] = PersonaError) -> list[type[PersonaError]]:
    """Return this class of error and all its subclasses."""
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every_kind(child))]


@pytest.mark.parametrize("kind", every_kind())
def test_batch_in_doubt_gets_a_new_key_only_if_refused(
    kind: type[PersonaError],
) -> None:
    step = policy.after(answered(kind, 400), DOUBTED)
    assert not step.new_key or issubclass(kind, errors.Refused)
    assert step.state is not State.QUEUED or step.new_key
    assert not policy.after(answered(kind, 400, request_id=""), DOUBTED).new_key


@pytest.mark.parametrize("kind", every_kind())
def test_every_step_leaves_sending(kind: type[PersonaError]) -> None:
    step = policy.after(answered(kind, 400), FIRST)
    assert step.state in (State.QUEUED, State.UNKNOWN, State.FAILED)
    assert step.problem
    assert step.sentence


@pytest.mark.parametrize("before", [FIRST, DOUBTED])
@pytest.mark.parametrize("kind", every_kind())
def test_only_a_send_without_effect_never_arrived(kind: type[PersonaError], before: Before) -> None:
    not_arrived = (errors.NotConnected, errors.KeyRefused, errors.RateLimited)
    assert policy.after(answered(kind, 400), before).never_arrived == (kind in not_arrived)


IN_DOUBT = (PersonaError, errors.NoAnswer, errors.Unreadable, errors.ServerTrouble, errors.Conflict)
REFUSED = (errors.Refused, errors.NotFound)
OPENS_THE_BREAKER = (
    *("unreachable", "key_refused", "rate_limited"),
    *("no_answer", "server_trouble", "gateway_trouble"),
)
STATUSES = st.sampled_from([200, 302, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 504])
POINTERS = st.sampled_from(["", LIST_POINTER, "/data/attributes/image-files"])


class AnySequenceOfAnswers(RuleBasedStateMachine):
    """One batch through any sequence of answers, recoveries and retries.

    `doubt` follows from what happened, independently of the policy; `imported_under` holds the
    keys under which Persona made an importer, which only Persona knows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before = Before(attempts=0)
        self.step = Step(State.QUEUED, "", "")
        self.key = 1
        self.doubt = False
        self.imported_under: set[int] = set()

    @property
    def is_active(self) -> bool:
        return self.step.state is not State.FAILED

    @precondition(lambda self: self.is_active and not self.step.recover_first)
    @rule(
        kind=st.sampled_from(every_kind()),
        status=STATUSES,
        pointer=POINTERS,
        has_request_id=st.booleans(),
        arrives=st.booleans(),
    )
    def send(
        self,
        kind: type[PersonaError],
        status: int,
        pointer: str,
        has_request_id: bool,
        arrives: bool,
    ) -> None:
        refused = kind in REFUSED and has_request_id
        if refused and self.imported_under:
            return  # Persona would repeat its first answer
        before = self.start_attempt()
        if kind in IN_DOUBT:
            self.doubt = True
            self.imported_under |= {self.key} if arrives else set()
        error = answered(kind, status, pointer, "req_1" if has_request_id else "")
        self.apply(policy.after(error, before), may_renew=refused)

    @precondition(lambda self: self.is_active and self.doubt)
    @rule(others=st.integers(0, 3), is_sure=st.booleans(), key_lives=st.booleans())
    def recover(self, others: int, is_sure: bool, key_lives: bool) -> None:
        found = len(self.imported_under) + others
        if found == 1 and is_sure:
            return  # it is adopted: see the tests of recovery
        arrived = found > 0 or not is_sure
        before = self.start_attempt()
        if arrived:
            step = policy.ambiguous(before, all_read=is_sure)
        else:
            step = policy.not_found_at_persona(before, key_lives=key_lives, others_accepted=is_sure)
        self.apply(step, may_renew=not arrived)

    @precondition(lambda self: self.is_active and not self.step.recover_first)
    @rule()
    def receive_importer_of_another_batch(self) -> None:
        self.start_attempt()
        self.doubt = True
        self.apply(policy.importer_is_claimed("mprt_7"), may_renew=False)

    @precondition(lambda self: self.is_active and not self.step.recover_first)
    @rule(missing=st.booleans())
    def fail_to_read_storage(self, missing: bool) -> None:
        step = policy.unreadable("Words.", self.start_attempt(), missing=missing)
        self.apply(step, may_renew=False)

    @precondition(lambda self: not self.is_active)
    @rule()
    def retry(self) -> None:
        if self.step.problem == Problem.AMBIGUOUS:
            return  # only a decision leads on: see the tests of recovery
        if self.step.may_have_arrived:
            soon = timedelta(seconds=1)
            self.step = replace(self.step, state=State.UNKNOWN, recover_first=True, delay=soon)
            return
        self.key += 1
        self.step = Step(State.QUEUED, "", "")

    def start_attempt(self) -> Before:
        attempts = self.before.attempts + 1
        self.before = Before(attempts, self.doubt, self.step.problem, attempts, attempts)
        return self.before

    def apply(self, step: Step, *, may_renew: bool) -> None:
        assert may_renew or not self.doubt or not step.new_key
        assert step.may_have_arrived or may_renew or not self.doubt
        if step.new_key:
            self.key += 1
        if may_renew and not step.may_have_arrived:
            self.doubt = False
        self.step = step

    @invariant()
    def batch_gets_a_new_key_only_if_it_did_not_arrive(self) -> None:
        assert self.imported_under <= {self.key}

    @invariant()
    def every_doubt_is_recorded(self) -> None:
        assert self.step.may_have_arrived == self.doubt
        assert self.step.state is not State.QUEUED or not self.doubt
        assert self.step.state is not State.UNKNOWN or self.doubt

    @invariant()
    def batch_is_due_in_time_or_left_to_a_person(self) -> None:
        assert AT_ONCE <= self.step.delay <= timedelta(minutes=5)
        waits_for_the_breaker = self.step.problem in OPENS_THE_BREAKER
        assert self.step.delay or waits_for_the_breaker or self.step.state is not State.UNKNOWN
        assert self.step.state in (State.QUEUED, State.UNKNOWN, State.FAILED)


AnySequenceOfAnswers.TestCase.settings = settings(max_examples=200, stateful_step_count=25)
TestAnySequenceOfAnswers = AnySequenceOfAnswers.TestCase
