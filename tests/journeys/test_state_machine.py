"""Whatever Persona answers, whoever dies, however the time goes: no batch is lost or doubled.

Real workers, polls and people's decisions in any order, over the database and Local Persona, where
tests/test_policy.py has the policy alone. `SOAK=True` takes longer, another way each time. Persona
is taken at its word: what it made is in its index, and a 4xx that it signs says that nothing was
made under that key. Nobody else imports (docs/decisions.md).
"""

import os
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.db.models import DateTimeField, F
from hypothesis import HealthCheck
from hypothesis import settings as way
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run
from pytest_django import Settings

from importers.audit import Actor
from importers.forwarding import control, poll, reconcile, retry, send
from importers.local_persona import FAULTS, IMPORT, LocalPersona, store
from importers.local_persona.faults import ANYTHING, Stage
from importers.models import Batch, FaceList, Import, PersonaLine
from importers.persona.client import Client
from tests.support.attestations import submit

State = Batch.State
SOAK = "SOAK" in os.environ
EXAMPLES, STEPS = (500, 40) if SOAK else (60, 14)
LONGEST_WAIT, LONGEST_HOLD = timedelta(minutes=5, seconds=1), timedelta(minutes=10, seconds=1)
ENDED = (State.DONE, State.ERRORED, State.CANCELED)
AGE = "UPDATE importers SET created_at = created_at - ?1, due_at = due_at - ?1"

Answer = dict[str, Any] | None  # a fault of Local Persona's, or none
LOOKS = [kind for kind, known in FAULTS.items() if known.stage is Stage.VIEW]
KINDS = [kind for kind in FAULTS if kind not in {*LOOKS, "slow"}]
ANY_TIME: list[Answer] = [{"kind": kind, "where": ANYTHING} for kind in KINDS]
TO_SENDS: list[Answer] = [{"kind": "server_error", "cached": False}]  # cached: told again
TO_SENDS += [{"kind": kind, "cached": True} for kind in ("conflict", "unavailable")]
TO_SENDS += [{"kind": kind, "where": IMPORT} for kind in ("errored", "odd_counts")]
TO_POLLS: list[Answer] = [{"kind": kind, "times": times} for kind in LOOKS for times in (1, 2)]
ANSWERS = st.sampled_from([*[None] * 4, *ANY_TIME, *TO_SENDS])
WAITS = st.sampled_from([3, 50, 70, 400, 3_000, 7_200])  # seconds
Send = tuple[Answer, str]  # what Persona answers, and when the worker dies, if it does
SENDS = st.tuples(ANSWERS, st.sampled_from(["", "", "before it sends", "before it records"]))
ACTS = st.sampled_from(["decides", "tries again", "pauses", "cancels"])
meanwhile: list[Callable[[], None]] = []


class Died(Exception):
    """A worker was killed."""


def interrupted(request: Callable[..., Any]) -> Callable[..., Any]:
    """`meanwhile` happens between Persona's answer and what the worker makes of it."""

    def call(*args: Any) -> Any:
        try:
            return request(*args)
        finally:
            if meanwhile:
                meanwhile.pop()()

    return call


class AnyCourseOfThings(RuleBasedStateMachine):
    project: ClassVar[Settings]
    drafts: ClassVar[list[Import]]
    actor: ClassVar[Actor]

    def __init__(self) -> None:
        super().__init__()
        meanwhile.clear()
        self.clocks_differ_by = 0
        self.stack = ExitStack()
        self.stack.enter_context(transaction.atomic())
        self.state = self.stack.enter_context(TemporaryDirectory()) + "/persona"
        clock = lambda: time.time() + self.clocks_differ_by  # noqa: E731
        persona = LocalPersona(delay=30, rate_limit=None, state=self.state, clock=clock)
        self.persona = self.stack.enter_context(persona)
        self.project.PERSONA_BASE_URL = persona.url

    @initialize(number=st.sampled_from([0, 1]), seconds=st.sampled_from([0, -50, 50]))
    def an_import_waits(self, number: int, seconds: int) -> None:
        self.clocks_differ_by = seconds
        FaceList.objects.update(persona_id=self.persona.add_list("Known fraud"))
        self.sent = submit(Import.objects.get(pk=self.drafts[number].pk), self.actor)
        self.hashes = dict(self.sent.files.values_list("batch", "sha256"))

    @rule(wait=WAITS, sends=st.lists(SENDS, min_size=1, max_size=4))
    def workers_send(self, wait: int, sends: list[Send]) -> None:
        def dies() -> None:
            raise Died

        for answer, death in sends:
            self.time_passes(wait)
            if death == "before it sends":
                send.claim("one that died")
            else:
                self.a_worker_sends(answer, "a worker", dies if death else lambda: None)

    @rule(answer=ANSWERS, wait=WAITS, others=st.lists(SENDS, min_size=1, max_size=4), act=ACTS)
    def a_worker_hears_late(self, answer: Answer, wait: int, others: list[Send], act: str) -> None:
        held: list[int] = []

        def others_go_on() -> None:
            self.workers_send(wait, others)
            self.a_person_acts(act)
            lent = self.sent.batches.filter(state=State.SENDING).exclude(lease_owner="the slow one")
            held.extend(lent.values_list("pk", flat=True))

        self.a_worker_sends(answer, "the slow one", others_go_on)
        after = self.sent.batches.filter(pk__in=held)
        assert not after.exclude(state__in=[State.SENDING, State.IMPORTING]).exists()

    def a_worker_sends(self, answer: Answer, name: str, then: Callable[[], None]) -> None:
        meanwhile.append(then)
        self.meets(answer, lambda: send.send_next(name))
        meanwhile.clear()

    @rule(wait=WAITS, answer=st.none() | st.sampled_from(ANY_TIME + TO_POLLS))
    def a_worker_polls(self, wait: int, answer: Answer) -> None:
        self.time_passes(wait)
        self.meets(answer, poll.poll)

    @rule(act=ACTS)
    def a_person_acts(self, act: str) -> None:
        if act == "tries again":
            retry.retry(self.sent, self.actor)
        elif act == "pauses":
            control.pause(self.actor)
            assert not send.send_next("a worker")
            poll.poll()
            control.resume(self.actor)
        elif act == "decides":  # by what Persona has in truth
            for batch in self.sent.batches.filter(problem=Batch.AMBIGUOUS):
                own = self.at_persona()[self.hashes[batch.pk]]
                reconcile.decide(batch, next(iter(own), ""), self.actor)
        elif not self.sent.batches.filter(attempts=0).exists():
            control.cancel_unsent(self.sent, self.actor)

    def time_passes(self, seconds: int) -> None:
        """What happened is longer ago, here and at Persona."""
        with closing(sqlite3.connect(self.state)) as at_persona, at_persona:
            at_persona.execute(AGE, [seconds])
            at_persona.execute("UPDATE replies SET created_at = created_at - ?", [seconds])
        by = timedelta(seconds=seconds)
        for rows in (Batch.objects.all(), FaceList.objects.all(), PersonaLine.objects.all()):
            fields = rows.model._meta.fields
            moments = [field.name for field in fields if isinstance(field, DateTimeField)]
            rows.update(**{name: F(name) - by for name in moments})

    @invariant()
    def each_batch_is_known_for_what_it_is_and_goes_on(self) -> None:
        made, now = self.at_persona(), datetime.now(UTC)
        batches = self.sent.batches.select_related("face_import__face_list")
        for batch in batches:
            own = made[self.hashes[batch.pk]]
            assert len(own) <= 1
            assert is_known(batch, own)
            assert goes_on(batch, now)
        ended = {batch.state for batch in batches} <= {*Batch.FINAL}
        troubled = any(batch.state in Batch.TROUBLED for batch in batches)
        assert ended == (batches[0].face_import.state != Import.State.FORWARDING)
        needs_a_person = batches[0].face_import.state == Import.State.NEEDS_ATTENTION
        assert needs_a_person == (ended and troubled)
        posts = [seen.headers for seen in self.persona.requests() if seen.method == "POST"]
        contents = {(post["idempotency-key"], post["content-length"]) for post in posts}
        assert len(contents) == len({key for key, _ in contents})

    def teardown(self) -> None:
        try:
            if sys.exception() is None:
                self.in_the_end_persona_has_all_that_was_not_canceled()
        finally:
            transaction.set_rollback(True)
            self.stack.close()

    def in_the_end_persona_has_all_that_was_not_canceled(self) -> None:
        rounds = iter(range(20))
        while self.sent.batches.exclude(state__in=ENDED).exists():
            assert next(rounds, None) is not None
            self.time_passes(660)
            while send.send_next("a worker"):
                continue
            poll.poll()
            self.a_person_acts("tries again")  # what is ambiguous goes on waiting
            self.a_person_acts("decides")
        self.each_batch_is_known_for_what_it_is_and_goes_on()
        kept = self.sent.batches.exclude(state=State.CANCELED)
        assert self.at_persona().keys() == {self.hashes[batch.pk] for batch in kept}

    def meets(self, answer: Answer, work: Callable[[], object]) -> None:
        if answer:
            self.persona.faults.inject(**answer)
        with suppress(Died):
            work()
        self.persona.faults.clear()

    def at_persona(self) -> dict[str, list[str]]:
        """Each image's importers."""
        made = defaultdict(list)
        for entry in self.persona.ledger():
            made[entry.files[0].sha256].append(entry.importer_id)
        return made


def is_known(batch: Batch, own: list[str]) -> bool:
    """Whether we have its importer, or know that there may be one, where there is one."""
    if batch.importer_id:
        return own == [batch.importer_id] and batch.state in (State.IMPORTING, *ENDED)
    if batch.problem == Batch.AMBIGUOUS:
        return {*own} <= {row["id"] for row in batch.candidates}
    in_doubt = batch.state in (State.UNKNOWN, State.FAILED) and batch.may_have_arrived
    return in_doubt or batch.state == State.SENDING or not own


def goes_on(batch: Batch, now: datetime) -> bool:
    """Whether it has ended, is soon due, or is in a worker's or in a person's hands."""
    if batch.state in Batch.FINAL:
        return batch.state in ENDED or batch.can_be_retried or bool(batch.candidates)
    due = batch.lease_until if batch.state == State.SENDING else batch.next_attempt_at
    held_until = batch.face_import.face_list.held_until or now
    return due is not None and due - now <= LONGEST_WAIT and held_until - now <= LONGEST_HOLD


@pytest.mark.django_db
def test_no_course_of_things_loses_a_batch_or_leaves_it_without_a_next_step(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    make_draft: Callable[..., Import],
    face_list: FaceList,
    actor: Actor,
) -> None:
    settings.PERSONA_IS_LOCAL, settings.PERSONA_KEY_LIFE_HOURS = True, 1
    settings.PERSONA_RATE_SHARE = 100  # never used up: see test_pacing
    settings.BATCH_MAX_IMAGES = 1
    monkeypatch.setattr(store, "KEY_LIFE_SECONDS", 3600)
    for request in ("import_faces", "importers_page"):
        monkeypatch.setattr(Client, request, interrupted(getattr(Client, request)))
    AnyCourseOfThings.project, AnyCourseOfThings.actor = settings, actor
    AnyCourseOfThings.drafts = [make_draft(face_list, 2), make_draft(face_list, 3, first_seed=10)]
    going = way(max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=not SOAK)
    going = way(going, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    run(AnyCourseOfThings, settings=going)
