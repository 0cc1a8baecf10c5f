"""In any sequence of answers, deaths of workers and waits, no batch is lost or duplicated.

Sends, polls and a person's acts run in any order over the database and Local Persona, while
tests/forwarding/test_policy.py covers the policy alone. `make soak` runs more and longer sequences,
new ones each time. Two assumptions about Persona hold (docs/decisions.md): every import it made is
in its index, and a signed 4xx means that it made none under that key. Nobody else imports.
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
from django.db import connection as database
from django.db import transaction
from django.db.models import DateTimeField, F
from hypothesis import HealthCheck
from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.forwarding import claims, control, polling, recovery, sending
from importers.forwarding.claims import Leases
from importers.local_persona import FAULTS, IMPORT, LocalPersona, store
from importers.local_persona.faults import ANYTHING, Stage
from importers.models import Attempt, Batch, Exchange, FaceList, Gateway, Import, Problem, counters
from importers.persona.client import Client
from tests.support import decisions
from tests.support.attestations import submit

State = Batch.State
SOAK = "SOAK" in os.environ
EXAMPLES, STEPS = (500, 40) if SOAK else (25, 14)
EXAMPLES_ON_POSTGRESQL = 10  # only the SQL differs there, and each rule runs in a few sequences
LONGEST_WAIT, LONGEST_HOLD = timedelta(minutes=5, seconds=1), timedelta(minutes=10, seconds=1)
ENDED = (State.DONE, State.ERRORED, State.CANCELED)
AGE = "UPDATE importers SET created_at = created_at - ?1, due_at = due_at - ?1"

Answer = dict[str, Any] | None  # a fault of Local Persona, or none
IN_POLLS = [kind for kind, known in FAULTS.items() if known.stage is Stage.VIEW]
KINDS = [kind for kind in FAULTS if kind not in {*IN_POLLS, "slow", "late"}]
ANY_TIME: list[Answer] = [{"kind": kind, "where": ANYTHING} for kind in KINDS]
TO_SENDS: list[Answer] = [{"kind": "server_error", "cached": False}]  # cached: repeated
TO_SENDS += [{"kind": kind, "cached": True} for kind in ("conflict", "unavailable")]
TO_SENDS += [{"kind": kind, "where": IMPORT} for kind in ("errored", "odd_counts")]
TO_POLLS: list[Answer] = [{"kind": kind, "times": times} for kind in IN_POLLS for times in (1, 2)]
ANSWERS = st.sampled_from([*[None] * 4, *ANY_TIME, *TO_SENDS])
WAITS = st.sampled_from([3, 50, 70, 400, 3_000, 7_200])  # seconds
Send = tuple[Answer, str]  # Persona's answer, and when the worker dies, if it does
SENDS = st.tuples(ANSWERS, st.sampled_from(["", "", "before it sends", "before it records"]))
ACTS = st.sampled_from(["decides", "retries", "pauses", "cancels"])
meanwhile: list[Callable[[], None]] = []


class Died(Exception):
    """A worker died."""


def interrupted(request: Callable[..., Any]) -> Callable[..., Any]:
    """Run `meanwhile` between Persona's answer and the worker's record of it."""

    def call(*args: Any) -> Any:
        try:
            return request(*args)
        finally:
            if meanwhile:
                meanwhile.pop()()

    return call


class AnySequence(RuleBasedStateMachine):
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
        def die() -> None:
            raise Died

        for answer, death in sends:
            self.time_passes(wait)
            if death == "before it sends":
                claims.claim("one that died")
            else:
                self.a_worker_sends(answer, "a worker", die if death else lambda: None)

    @rule(answer=ANSWERS, wait=WAITS, others=st.lists(SENDS, min_size=1, max_size=4), act=ACTS)
    def a_worker_gets_a_late_answer(
        self, answer: Answer, wait: int, others: list[Send], act: str
    ) -> None:
        held: list[int] = []

        def others_work() -> None:
            self.workers_send(wait, others)
            self.a_person_acts(act)
            lent = self.sent.batches.filter(state=State.SENDING).exclude(lease_owner="the slow one")
            held.extend(lent.values_list("pk", flat=True))

        self.a_worker_sends(answer, "the slow one", others_work)
        after = self.sent.batches.filter(pk__in=held)
        assert not after.exclude(state__in=[State.SENDING, State.IMPORTING]).exists()

    def a_worker_sends(self, answer: Answer, name: str, then: Callable[[], None]) -> None:
        meanwhile.append(then)
        self.run_with(answer, lambda: sending.send_next(Leases(name)))
        meanwhile.clear()

    @rule(wait=WAITS, answer=st.none() | st.sampled_from(ANY_TIME + TO_POLLS))
    def a_worker_polls(self, wait: int, answer: Answer) -> None:
        self.time_passes(wait)
        self.run_with(answer, polling.poll)

    @rule(wait=WAITS, answer=st.none() | st.sampled_from(ANY_TIME + TO_POLLS))
    def a_worker_recovers(self, wait: int, answer: Answer) -> None:
        self.time_passes(wait)
        self.run_with(answer, recovery.recover)

    @rule(act=ACTS)
    def a_person_acts(self, act: str) -> None:
        if act == "retries":
            control.retry(self.sent, self.actor)
        elif act == "pauses":
            control.pause(self.actor)
            assert not sending.send_next(Leases("a worker"))
            polling.poll()
            control.resume(self.actor)
        elif act == "decides":  # correctly, by what is at Persona
            for batch in self.sent.batches.filter(problem=Problem.AMBIGUOUS):
                own = self.at_persona()[self.hashes[batch.pk]]
                decisions.decide(batch, next(iter(own), ""), self.actor)
        elif not self.sent.batches.filter(attempts=0).exists():
            control.cancel_unsent(self.sent, self.actor)

    def time_passes(self, seconds: int) -> None:
        """Move every moment into the past, here and at Persona."""
        with closing(sqlite3.connect(self.state)) as at_persona, at_persona:
            at_persona.execute(AGE, [seconds])
            at_persona.execute("UPDATE replies SET created_at = created_at - ?", [seconds])
        by = timedelta(seconds=seconds)
        for model in (Attempt, Batch, Exchange, FaceList, Gateway):
            rows, fields = model.objects.all(), model._meta.fields
            moments = [field.name for field in fields if isinstance(field, DateTimeField)]
            rows.update(**{name: F(name) - by for name in moments})

    @invariant()
    def each_batch_is_known_and_has_a_next_step(self) -> None:
        made, now = self.at_persona(), datetime.now(UTC)
        batches = self.sent.batches.select_related("face_import__face_list")
        for batch in batches:
            own = made[self.hashes[batch.pk]]
            assert len(own) <= 1
            assert is_known(batch, own)
            assert has_next_step(batch, now)
        ended = {batch.state for batch in batches} <= {*Batch.FINAL}
        troubled = any(batch.needs_a_person for batch in batches)
        assert ended == (batches[0].face_import.state != Import.State.FORWARDING)
        needs_a_person = batches[0].face_import.state == Import.State.NEEDS_ATTENTION
        assert needs_a_person == (ended and troubled)
        posts = [seen.headers for seen in self.persona.requests() if seen.method == "POST"]
        contents = {(post["idempotency-key"], post["content-length"]) for post in posts}
        assert len(contents) == len({key for key, _ in contents})

    def teardown(self) -> None:
        try:
            if sys.exception() is None:
                self.assert_everything_not_canceled_arrives()
        finally:
            transaction.set_rollback(True)
            self.stack.close()

    def assert_everything_not_canceled_arrives(self) -> None:
        rounds = iter(range(20))
        while self.sent.batches.exclude(state__in=ENDED).exists():
            assert next(rounds, None) is not None
            self.time_passes(660)
            while sending.send_next(Leases("a worker")):
                continue
            polling.poll()
            recovery.recover()
            self.a_person_acts("retries")  # an ambiguous batch keeps waiting
            self.a_person_acts("decides")
        self.each_batch_is_known_and_has_a_next_step()
        assert list(counters.recount()) == []
        kept = self.sent.batches.exclude(state=State.CANCELED)
        assert self.at_persona().keys() == {self.hashes[batch.pk] for batch in kept}

    def run_with(self, answer: Answer, work: Callable[[], object]) -> None:
        if answer:
            self.persona.faults.inject(**answer)
        with suppress(Died):
            work()
        self.persona.faults.clear()

    def at_persona(self) -> dict[str, list[str]]:
        """The importers of each image, by its hash."""
        made = defaultdict(list)
        for entry in self.persona.ledger():
            made[entry.files[0].sha256].append(entry.importer_id)
        return made


def is_known(batch: Batch, own: list[str]) -> bool:
    """Return True if we have its importer, or know that there may be one where there is one."""
    if batch.importer_among:
        return own[0] in batch.importer_among and batch.state in (State.IMPORTING, *ENDED)
    if batch.importer_id:
        return own == [batch.importer_id] and batch.state in (State.IMPORTING, *ENDED)
    if batch.problem == Problem.AMBIGUOUS:
        return {*own} <= {row["id"] for row in batch.candidates}
    in_doubt = batch.state in (State.UNKNOWN, State.FAILED) and batch.may_have_arrived
    return in_doubt or batch.state == State.SENDING or not own


def has_next_step(batch: Batch, now: datetime) -> bool:
    """Return True if it has ended, is due soon, is leased, or waits for a person."""
    if batch.state in Batch.FINAL:
        return batch.state in ENDED or batch.can_be_retried or bool(batch.candidates)
    due = batch.lease_until if batch.state == State.SENDING else batch.next_attempt_at
    held_until = batch.face_import.face_list.held_until or now
    return due is not None and due - now <= LONGEST_WAIT and held_until - now <= LONGEST_HOLD


@pytest.mark.django_db
@pytest.mark.on_both_databases
def test_no_sequence_of_events_loses_or_duplicates_a_batch(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    make_draft: Callable[..., Import],
    face_list: FaceList,
    actor: Actor,
) -> None:
    settings.PERSONA_IS_LOCAL, settings.PERSONA_KEY_LIFE_HOURS = True, 1
    settings.PERSONA_RATE_SHARE = 100  # never used up: see tests/gateway/test_rate_limit.py
    settings.BATCH_MAX_IMAGES = 1
    monkeypatch.setattr(store, "KEY_LIFE_SECONDS", 3600)
    for request in ("import_faces", "importers_page"):
        monkeypatch.setattr(Client, request, interrupted(getattr(Client, request)))
    AnySequence.project, AnySequence.actor = settings, actor
    AnySequence.drafts = [make_draft(face_list, 2), make_draft(face_list, 3, first_seed=10)]
    examples = EXAMPLES if SOAK or database.vendor == "sqlite" else EXAMPLES_ON_POSTGRESQL
    how = search(max_examples=examples, stateful_step_count=STEPS, derandomize=not SOAK)
    how = search(how, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(AnySequence, settings=how)
