"""Claiming a batch: which one, under which key, and by one worker only."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, transaction
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries, Settings

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import Actor
from importers.forwarding import policy, sending
from importers.forwarding.claims import Leases, claim, is_any_due, lease_time
from importers.forwarding.sending import send_next
from importers.gateway import rate_limit
from importers.local_persona import LocalPersona
from importers.models import Attempt, Batch, Environment, FaceList, Import
from importers.worker import jobs
from tests.support.batches import OWNER, die_while_sending, keys, lease_runs_out, sends, the_only
from tests.support.forwarding import forward
from tests.support.recovery import recover
from tests.support.threads import at_once

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State


def test_claim_returns_the_batch_due_first(
    make_import: Make, face_list: FaceList, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 1
    one, two, three, four = make_import(face_list, images=4).batches.order_by("number")
    for batch, seconds in ((one, 10), (two, 30), (three, 30), (four, -30)):
        due = Now() - timedelta(seconds=seconds)
        Batch.objects.filter(pk=batch.pk).update(next_attempt_at=due)
    assert [claim(OWNER) for _ in range(4)] == [two, three, one, None]


def test_claim_prefers_a_size_that_is_not_under_way(
    make_import: Make, face_list: FaceList, settings: Settings
) -> None:
    settings.BATCH_MAX_IMAGES = 5
    batches = make_import(face_list, images=21).batches.order_by("number")
    assert list(batches.values_list("image_count", flat=True)) == [5, 4, 3, 5, 4]
    in_doubt = {"state": State.UNKNOWN, "recover_first": True, "idempotency_key": uuid4()}
    batches.filter(number=2).update(**in_doubt)
    claimed = [batch.number for _ in range(4) if (batch := claim(OWNER))]
    assert claimed == [1, 3, 4, 5], "in order, if every size is under way"
    batches.filter(number__in=(1, 3, 5)).update(state=State.QUEUED)
    last = claim(OWNER)
    assert last
    assert last.number == 3, "5 images and 4 images are under way"


def test_claim_stores_lease_and_key(make_import: Make, face_list: FaceList) -> None:
    make_import(face_list)
    batch = claim("worker 7")
    assert batch
    assert (batch.state, batch.lease_owner) == (State.SENDING, "worker 7")
    assert (batch.fence, batch.attempts) == (1, 1)
    assert isinstance(batch.idempotency_key, UUID)
    assert batch.lease_until
    assert abs(batch.lease_until - datetime.now(UTC) - lease_time()) < timedelta(seconds=1)
    assert not batch.may_have_arrived


def test_claim_skips_a_leased_batch(make_import: Make, face_list: FaceList) -> None:
    make_import(face_list)
    assert claim("a")
    assert claim("b") is None


def test_claim_of_abandoned_batch_keeps_its_key(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    sent = make_import(known_list)
    abandoned = claim("a dead worker")
    assert abandoned
    lease_runs_out()
    claimed = claim("b")
    assert claimed == abandoned
    assert (claimed.idempotency_key, claimed.fence) == (
        abandoned.idempotency_key,
        abandoned.fence + 1,
    )
    assert not claimed.may_have_arrived, "it was claimed, but no attempt began"
    lease_runs_out()
    forward()
    assert keys(persona) == [str(abandoned.idempotency_key)]
    assert the_only(sent).state == State.DONE


def test_abandoned_send_may_have_arrived_until_the_next_claim(
    make_import: Make, face_list: FaceList
) -> None:
    left = die_while_sending(make_import(face_list))
    attempt = left.sends.get()
    assert (attempt.ended_at, attempt.settled_at) == (None, None)
    claimed = claim("b")
    assert claimed
    assert (claimed.may_have_arrived, claimed.key) == (True, left.key)
    attempt.refresh_from_db()
    assert attempt.worker_died
    assert attempt.ended_at
    assert attempt.settled_at
    assert datetime.now(UTC) - attempt.ended_at < timedelta(seconds=5)
    assert attempt.settled_at - attempt.ended_at == policy.LOST


def test_batches_in_doubt_are_claimed_first(make_import: Make, face_list: FaceList) -> None:
    left = die_while_sending(make_import(face_list))
    make_import(face_list, first_seed=10)
    Batch.objects.filter(pk=left.pk).update(next_attempt_at=Now())
    assert claim(OWNER) == left


class TestTrial:
    """While sending is stopped, one request at a time is let through."""

    def test_trial_is_a_batch_in_doubt(self, make_import: Make, face_list: FaceList) -> None:
        left = die_while_sending(make_import(face_list))
        make_import(face_list, first_seed=10)
        assert claim(OWNER, trial=True) == left
        assert claim(OWNER, trial=True) is None, "it is in doubt while it is sent"
        assert claim(OWNER), "the breaker has closed"

    def test_trial_waits_for_a_recovery(self, make_import: Make, face_list: FaceList) -> None:
        left = die_while_sending(make_import(face_list))
        left.send_to_recovery()
        make_import(face_list, first_seed=10)
        assert claim(OWNER, trial=True) is None

    def test_trial_is_a_new_batch_if_none_is_in_doubt(
        self, make_import: Make, face_list: FaceList
    ) -> None:
        make_import(face_list)
        assert claim(OWNER, trial=True)

    def test_trial_does_not_wait_for_a_held_list(
        self, make_import: Make, face_list: FaceList, known_list: FaceList
    ) -> None:
        die_while_sending(make_import(face_list))
        FaceList.objects.filter(pk=face_list.pk).update(held_until=Now() + timedelta(seconds=60))
        other = make_import(known_list, first_seed=10)
        assert claim(OWNER, trial=True) == the_only(other)


def test_abandoned_batch_is_not_sent_with_expired_key(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    sent = make_import(known_list)
    die_while_sending(sent)
    Attempt.objects.update(began_at=F("began_at") - timedelta(hours=1))
    assert not send_next(Leases(OWNER))
    batch = the_only(sent)
    assert (batch.state, batch.recover_first, batch.lease_until) == (State.UNKNOWN, True, None)
    recover(2)
    assert the_only(sent).problem == "not_arrived"
    assert [seen.method for seen in persona.requests()] == ["GET"]


@pytest.mark.parametrize(
    "environment", [Environment.SANDBOX, Environment.PRODUCTION, Environment.UNNAMED]
)
def test_claim_skips_other_environments(
    persona: LocalPersona, make_import: Make, known_list: FaceList, environment: str
) -> None:
    known_list.environment = environment
    known_list.save()
    sent = make_import(known_list)
    assert claim(OWNER) is None
    forward()
    assert persona.requests() == []
    assert jobs.is_drained()
    assert the_only(sent).state == State.QUEUED


def test_claim_skips_a_held_list(make_import: Make, face_list: FaceList) -> None:
    make_import(face_list)
    FaceList.objects.update(held_until=Now() + timedelta(seconds=5))
    assert not is_any_due(face_list.environment)
    assert claim(OWNER) is None
    FaceList.objects.update(held_until=Now() - timedelta(seconds=5))
    assert is_any_due(face_list.environment)
    assert claim(OWNER)


def test_idle_worker_asks_one_query(
    face_list: FaceList, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert not is_any_due(face_list.environment)


def test_lease_goes_to_the_faster_worker(make_import: Make, face_list: FaceList) -> None:
    batch_id = the_only(make_import(face_list)).pk
    read_by_one, read_by_other = (Batch.objects.get(pk=batch_id) for _ in range(2))
    assert read_by_one.lend("one", Now())
    assert not read_by_other.lend("other", Now())
    assert Batch.objects.get(pk=batch_id).lease_owner == "one"


def test_claim_skips_drafts(make_draft: Make, face_list: FaceList) -> None:
    make_draft(face_list)
    assert claim(OWNER) is None


@pytest.mark.django_db(transaction=True)
class TestConcurrentClaims:
    def test_workers_never_claim_the_same_batch(
        self, make_import: Make, face_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        make_import(face_list, images=20)
        claimed = at_once(4, lambda name: list(iter(lambda: claim(name), None)))
        batch_ids = [batch.pk for batches in claimed for batch in batches]
        assert sorted(batch_ids) == sorted(Batch.objects.values_list("pk", flat=True))
        for batch in Batch.objects.all():
            assert (batch.fence, batch.attempts) == (1, 1)

    def test_workers_share_no_abandoned_batch(
        self, make_import: Make, face_list: FaceList, settings: Settings
    ) -> None:
        settings.BATCH_MAX_IMAGES = 1
        make_import(face_list, images=20)
        abandoned = {batch.pk: batch.idempotency_key for batch in iter(lambda: claim("dead"), None)}
        lease_runs_out()
        claimed = at_once(4, lambda name: list(iter(lambda: claim(name), None)))
        assert sorted(batch.pk for batches in claimed for batch in batches) == sorted(abandoned)
        for batch in Batch.objects.all():
            assert (batch.fence, batch.idempotency_key) == (2, abandoned[batch.pk])

    def test_claim_skips_a_locked_row(
        self, make_import: Make, face_list: FaceList, settings: Settings
    ) -> None:
        if not database.features.has_select_for_update_skip_locked:
            pytest.skip("SQLite does not lock single rows.")
        settings.BATCH_MAX_IMAGES = 1
        sent = make_import(face_list, images=2)
        with transaction.atomic():
            locked = Batch.objects.select_for_update().get(number=1)
            ((claimed,),) = at_once(1, lambda name: [claim(name)])
        assert claimed == sent.batches.exclude(pk=locked.pk).get()


class TestOneTransaction:
    """A worker may die between any two statements."""

    def test_budget_is_released_if_no_batch_can_be_claimed(
        self, make_import: Make, face_list: FaceList, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_import(face_list)
        monkeypatch.setattr(sending, "claim", lambda owner, trial: None)
        assert not sending.send_next(Leases("late"))
        assert rate_limit.budget("local").used == 0

    def test_failed_claim_takes_its_reservation_back(
        self, make_import: Make, face_list: FaceList, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(owner: str, *, trial: bool) -> None:
            raise OperationalError

        make_import(face_list)
        monkeypatch.setattr(sending, "claim", die)
        with pytest.raises(OperationalError):
            sending.send_next(Leases("dying"))
        assert rate_limit.budget("local").used == 0

    def test_step_is_not_recorded_without_its_audit_row(
        self,
        persona: LocalPersona,
        make_import: Make,
        known_list: FaceList,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        append = trail.append

        def die(actor: Actor, action: Action, *args: Any, **details: Any) -> None:
            if action != Action.BATCH_SENDING:
                raise OperationalError
            append(actor, action, *args, **details)

        sent = make_import(known_list)
        persona.faults.inject("unprocessable")
        monkeypatch.setattr(trail, "append", die)
        with pytest.raises(OperationalError):
            sending.send_next(Leases("dying"))
        assert len(sends(persona)) == 1
        assert sent.batches.get().state == Batch.State.SENDING
