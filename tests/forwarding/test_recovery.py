"""Looking for a batch that may have arrived: adopted, sent anew, waited for, or asked about."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from importers import audit, pacing
from importers.audit import Actor
from importers.forwarding import reconcile, worker
from importers.forwarding.reconcile import NoSuchCandidate, decide
from importers.forwarding.retry import retry
from importers.forwarding.send import claim, send_next
from importers.local_persona import IMPORT, LocalPersona
from importers.models import AuditEvent, Batch, Environment, FaceList, Import, PersonaLine
from importers.persona.answers import Status
from importers.persona.client import Client, ImageFile
from tests.support.attestations import submit
from tests.support.batches import (
    OWNER,
    Meanwhile,
    keys,
    lease_runs_out,
    persona_importer,
    sends,
    the_only,
)
from tests.support.forwarding import Clock, forward, share_is_used, time_passes
from tests.support.pictures import draw
from tests.support.scripted_persona import PENDING, says
from tests.support.scripted_persona import importers as page_of

Make = Callable[..., Import]
State = Batch.State
INDEX = "GET /importers"
MADE = ["bad_gateway_made", "broken_json", "no_id"]
PICTURE = draw(1000, size=(200, 200), kind="PNG")


@pytest.fixture
def meanwhile() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
def persona(settings: Settings, clock: Clock, meanwhile: Meanwhile) -> Iterator[LocalPersona]:
    with LocalPersona(delay=0, rate_limit=None, clock=clock, pause=meanwhile) as server:
        settings.PERSONA_BASE_URL = server.url
        settings.PERSONA_IS_LOCAL = True
        yield server


@pytest.fixture
def make_import(make_draft: Make, actor: Actor, known_list: FaceList) -> Make:
    """An import of one batch that is signed and waits to be sent."""
    return lambda **kwargs: submit(make_draft(known_list, **kwargs), actor)


@pytest.fixture
def in_doubt(persona: LocalPersona, make_import: Make, settings: Settings) -> Make:
    """An import whose batch was sent without an answer, under a key that is over by now."""

    def make(*, made: bool, first_seed: int = 0) -> Import:
        persona.faults.inject("drop_made" if made else "drop_unmade")
        Batch.objects.update(next_attempt_at=Now() + timedelta(hours=1))
        sent = make_import(first_seed=first_seed)
        assert send_next(OWNER)
        settings.PERSONA_KEY_LIFE_HOURS = 0
        time_passes()
        return sent

    return make


@pytest.fixture
def strangers(persona: LocalPersona, clock: Clock) -> Callable[..., list[str]]:
    """Others use the same environment of Persona: the importers that they made."""
    client = Client(persona.url, persona.key, version="2025-12-08", timeout_seconds=10)
    theirs = persona.add_list("Theirs")
    file = ImageFile("theirs.png", "image/png", PICTURE)

    def make(times: int = 1, *, seconds_from_now: float = 0) -> list[str]:
        clock.ahead = timedelta(seconds=seconds_from_now)
        keys = [f"strangers {seconds_from_now} {n}" for n in range(times)]
        made = [client.import_faces(theirs, [file], key).id for key in keys]
        clock.ahead = timedelta()
        return made

    return make


@pytest.fixture
def ambiguous(in_doubt: Make, strangers: Callable[..., list[str]]) -> Batch:
    """A batch of which two importers at Persona could be the one; the second is a stranger's."""
    sent = in_doubt(made=True)
    strangers()
    looks()
    batch = the_only(sent)
    assert batch.problem == "ambiguous"
    return batch


def looks(times: int = 1) -> None:
    for _ in range(times):
        assert send_next(OWNER)
        time_passes()


def hours_pass(rounds: int = 40) -> None:
    """As `forward`, but each batch in its turn: one that has just been looked for comes last."""
    for _ in range(rounds):
        Batch.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(hours=1))
        PersonaLine.objects.update(paused_until=None)
        if not worker.step(OWNER):
            return


def asked(persona: LocalPersona) -> int:
    """How often Persona was asked for importers."""
    return sum(seen.method == "GET" for seen in persona.requests())


def made_by_us(persona: LocalPersona, sent: Import) -> list[str]:
    """The importers that hold this import's images; each of them holds each image once."""
    hashes = sorted(sent.files.values_list("sha256", flat=True))
    found = []
    for entry in persona.ledger():
        held = sorted(file.sha256 for file in entry.files)
        if set(held) & set(hashes):
            assert held == hashes
            found.append(entry.importer_id)
    return found


def is_imported_once(persona: LocalPersona, sent: Import) -> bool:
    batch = the_only(sent)
    return batch.state == State.DONE and made_by_us(persona, sent) == [batch.importer_id]


@pytest.mark.django_db
class TestTroubleThatPersonaRepeats:
    def test_where_nothing_was_made_is_looked_for_and_then_sent_under_a_new_key(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        persona.faults.inject("server_error")
        sent = make_import()
        looks(2)
        batch = the_only(sent)
        assert (batch.state, batch.look_first) == (State.UNKNOWN, True)
        assert asked(persona) == 0
        looks()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.QUEUED, "not_arrived")
        assert (batch.idempotency_key, batch.first_sent_at) == (None, None)
        assert not batch.may_have_arrived
        assert not batch.look_first
        forward()
        first, again, new = keys(persona)
        assert first == again != new
        assert is_imported_once(persona, sent)

    def test_is_not_looked_for_before_a_minute_has_passed(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        persona.faults.inject("server_error")
        make_import()
        looks()
        assert send_next(OWNER)
        Batch.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(seconds=59))
        assert not send_next(OWNER)
        Batch.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(seconds=1))
        assert send_next(OWNER)
        assert asked(persona) == 1

    @pytest.mark.parametrize("fault", MADE)
    def test_where_it_was_made_is_adopted_and_never_sent_again(
        self, persona: LocalPersona, make_import: Make, fault: str
    ) -> None:
        persona.faults.inject(fault, times=2)
        sent = make_import()
        looks(3)
        batch = the_only(sent)
        assert (batch.state, batch.persona_status) == (State.IMPORTING, "ready")
        assert (batch.problem, batch.problem_detail) == ("", "")
        assert batch.accepted_at
        assert not batch.look_first
        forward()
        assert len(sends(persona)) == 2
        assert len(set(keys(persona))) == 1
        assert is_imported_once(persona, sent)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_is_told_in_the_audit_trail(self, persona: LocalPersona, make_import: Make) -> None:
        persona.faults.inject("bad_gateway_made", times=2)
        persona.faults.inject("server_error")
        batch = the_only(make_import())
        looks(4)
        told = AuditEvent.objects.filter(actor_name="worker").order_by("pk")
        assert {event.object_id for event in told} == {str(batch.pk)}
        assert [(event.action, event.details.get("problem")) for event in told] == [
            ("batch.unknown", "server_trouble"),
            ("batch.unknown", "server_trouble"),
            ("batch.queued", "not_arrived"),
            ("batch.accepted", None),
        ]
        assert list(audit.breaks()) == []


@pytest.mark.django_db
class TestAConflict:
    def test_is_looked_for_and_then_sent_again_under_the_same_key(
        self, persona: LocalPersona, make_import: Make
    ) -> None:
        persona.faults.inject("conflict")
        sent = make_import()
        looks()
        batch = the_only(sent)
        assert (batch.state, batch.problem, batch.look_first) == (State.UNKNOWN, "conflict", True)
        looks()
        batch = the_only(sent)
        assert (batch.state, batch.problem, batch.look_first) == (State.UNKNOWN, "conflict", False)
        forward()
        assert keys(persona) == [str(batch.idempotency_key)] * 2
        assert is_imported_once(persona, sent)

    def test_of_a_key_that_is_over_leads_to_a_new_key(
        self, persona: LocalPersona, make_import: Make, settings: Settings
    ) -> None:
        persona.faults.inject("conflict")
        sent = make_import()
        looks()
        settings.PERSONA_KEY_LIFE_HOURS = 0
        looks()
        assert the_only(sent).problem == "not_arrived"
        forward()
        assert len(set(keys(persona))) == 2
        assert is_imported_once(persona, sent)


@pytest.mark.django_db(transaction=True)
class TestARequestUnderWay:
    @pytest.mark.parametrize(("fault", "asks"), [("slow", 1), ("drop_made", 2)])
    def test_met_by_a_second_worker_ends_in_one_importer(
        self,
        persona: LocalPersona,
        meanwhile: Meanwhile,
        make_import: Make,
        fault: str,
        asks: int,
    ) -> None:
        """Its answer comes late, or never: then the importer is looked for."""
        sent = make_import()

        def another_sends_it_too() -> None:
            meanwhile.does = lambda: None
            lease_runs_out()
            assert send_next("another")

        persona.faults.inject(fault, where=IMPORT, seconds=1)
        meanwhile.does = another_sends_it_too
        send_next("the slow one")
        assert sends(persona)[1].status == 409
        time_passes()
        forward()
        assert asked(persona) == asks
        assert len(set(keys(persona))) == 1
        assert len(sends(persona)) == 2
        assert is_imported_once(persona, sent)

    def test_that_begins_while_we_look_is_waited_for(
        self,
        persona: LocalPersona,
        meanwhile: Meanwhile,
        in_doubt: Make,
        make_import: Make,
    ) -> None:
        sent = in_doubt(made=True)
        other = make_import(first_seed=10)
        Batch.objects.filter(face_import=other).update(next_attempt_at=Now() + timedelta(seconds=5))

        def another_begins() -> None:
            Batch.objects.filter(face_import=other).update(next_attempt_at=Now())
            assert claim("another") == the_only(other)

        persona.faults.inject("slow", where=INDEX)
        meanwhile.does = another_begins
        assert send_next(OWNER)
        batch = the_only(sent)
        assert (batch.state, batch.look_first) == (State.UNKNOWN, True)
        assert batch.importer_id == ""


@pytest.mark.django_db
class TestAKeyThatIsOver:
    @pytest.mark.parametrize("made", [True, False])
    def test_is_never_used_again(self, persona: LocalPersona, in_doubt: Make, made: bool) -> None:
        sent = in_doubt(made=made)
        forward()
        assert len(set(keys(persona))) == len(sends(persona)) == (1 if made else 2)
        assert is_imported_once(persona, sent)

    @pytest.mark.parametrize(("hours", "asks"), [(1, 1), (24, 0)])
    def test_is_so_after_as_many_hours_as_the_settings_say(
        self,
        persona: LocalPersona,
        make_import: Make,
        settings: Settings,
        hours: int,
        asks: int,
    ) -> None:
        settings.PERSONA_KEY_LIFE_HOURS = hours
        persona.faults.inject("drop_made")
        sent = make_import()
        looks()
        Batch.objects.update(first_sent_at=F("first_sent_at") - timedelta(minutes=59))
        looks()
        assert (asked(persona), len(sends(persona))) == (asks, 2 - asks)
        forward()
        assert is_imported_once(persona, sent)

    @pytest.mark.parametrize("made", [True, False])
    def test_in_a_send_of_a_worker_that_died_is_looked_for(
        self, persona: LocalPersona, make_import: Make, settings: Settings, made: bool
    ) -> None:
        sent = make_import()
        batch = claim("a worker that died")
        assert batch
        if made:
            persona.faults.inject("drop_made")
            Batch.objects.update(state=State.QUEUED)
            send_next("the same worker")
            Batch.objects.update(state=State.SENDING, lease_until=Now(), may_have_arrived=False)
        else:
            lease_runs_out()
        settings.PERSONA_KEY_LIFE_HOURS = 0
        time_passes()
        looks()
        assert asked(persona) == 1
        forward()
        assert is_imported_once(persona, sent)


@pytest.mark.django_db
class TestAnImporterThatIsNotOurs:
    def test_because_another_batch_claimed_it_is_not_taken(
        self, persona: LocalPersona, make_import: Make, in_doubt: Make
    ) -> None:
        other = make_import(first_seed=10)
        forward()
        sent = in_doubt(made=False)
        looks()
        assert the_only(sent).problem == "not_arrived"
        forward()
        assert is_imported_once(persona, sent)
        assert is_imported_once(persona, other)

    @pytest.mark.parametrize(
        ("kind", "problem"),
        [("importer/account", "not_arrived"), ("importer/list-item/face", ""),
         ("importer/face", "")],
    )  # fmt: skip
    def test_because_it_is_of_another_kind_is_not_taken(
        self, in_doubt: Make, clock: Clock, settings: Settings, kind: str, problem: str
    ) -> None:
        sent = in_doubt(made=True)
        body = page_of(kind)
        moment = the_only(sent).tried_until
        assert moment
        body["data"][0]["attributes"] = PENDING | {"created-at": moment.isoformat()}
        with says("200 OK", body) as server:
            settings.PERSONA_BASE_URL = server.url
            looks()
        assert the_only(sent).problem == problem

    @pytest.mark.parametrize("seconds", [-3600, -90, 90, 7200])
    def test_because_it_was_made_before_our_first_try_or_after_our_last_is_not_taken(
        self,
        persona: LocalPersona,
        in_doubt: Make,
        strangers: Callable[..., list[str]],
        seconds: float,
    ) -> None:
        strangers(seconds_from_now=-7200)
        sent = in_doubt(made=True)
        strangers(seconds_from_now=seconds)
        looks()
        assert made_by_us(persona, sent) == [the_only(sent).importer_id]

    @pytest.mark.parametrize("seconds", [-50, 50])
    def test_but_made_when_only_the_clocks_may_differ_could_be_ours(
        self, in_doubt: Make, strangers: Callable[..., list[str]], seconds: float
    ) -> None:
        sent = in_doubt(made=True)
        strangers(seconds_from_now=seconds)
        looks()
        assert the_only(sent).problem == "ambiguous"

    @pytest.mark.parametrize("seconds", [-50, 50])
    def test_is_told_from_ours_also_where_the_clocks_differ(
        self, persona: LocalPersona, clock: Clock, in_doubt: Make, seconds: float
    ) -> None:
        clock.ahead = timedelta(seconds=seconds)
        sent = in_doubt(made=True)
        looks()
        assert made_by_us(persona, sent) == [the_only(sent).importer_id]

    def test_for_all_that_a_key_which_hides_the_moment_tells_is_left_to_a_person(
        self, in_doubt: Make, settings: Settings
    ) -> None:
        sent = in_doubt(made=True)
        body = page_of("importer/list-item/face")
        body["data"][0]["attributes"] = {"status": "ready"}
        with says("200 OK", body) as server:
            settings.PERSONA_BASE_URL = server.url
            looks()
        batch = the_only(sent)
        assert batch.problem == "ambiguous"
        assert [row["created_at"] for row in batch.candidates] == [""]


@pytest.mark.django_db
class TestTwoOfOursInTheSameMinutes:
    @pytest.mark.parametrize(
        ("one_made", "other_made"), [(True, True), (True, False), (False, True)]
    )
    def test_of_which_an_importer_could_be_either_s_are_left_to_a_person(
        self, persona: LocalPersona, in_doubt: Make, one_made: bool, other_made: bool
    ) -> None:
        both = [in_doubt(made=one_made), in_doubt(made=other_made, first_seed=10)]
        hours_pass()
        made = {entry.importer_id for entry in persona.ledger()}
        assert len(made) == one_made + other_made
        for sent in both:
            batch = the_only(sent)
            assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
            assert {row["id"] for row in batch.candidates} == made
        assert len(sends(persona)) == 2

    @pytest.mark.parametrize("tried_hours_ago", [2, None])
    def test_of_which_one_is_in_a_worker_s_hands_are_left_to_a_person_however_old_it_is(
        self, in_doubt: Make, make_import: Make, tried_hours_ago: int | None
    ) -> None:
        sent = in_doubt(made=True)
        other = the_only(make_import(first_seed=10))
        long_ago = Now() - timedelta(hours=2)
        Batch.objects.filter(pk=other.pk).update(
            state=State.SENDING,
            idempotency_key=uuid4(),
            lease_until=Now() + timedelta(hours=1),
            look_first=True,
            first_sent_at=long_ago,
            tried_until=long_ago if tried_hours_ago else None,
        )
        looks()
        assert the_only(sent).problem == "ambiguous"

    def test_of_which_neither_arrived_are_both_sent_again(
        self, persona: LocalPersona, in_doubt: Make
    ) -> None:
        both = [in_doubt(made=False), in_doubt(made=False, first_seed=10)]
        hours_pass()
        assert [is_imported_once(persona, sent) for sent in both] == [True, True]
        assert len(set(keys(persona))) == 4

    def test_do_not_meet_where_hours_lie_between(
        self, persona: LocalPersona, clock: Clock, in_doubt: Make
    ) -> None:
        clock.ahead = timedelta(hours=-2)
        one = in_doubt(made=True)
        clock.ahead = timedelta()
        hours = timedelta(hours=2)
        Batch.objects.filter(face_import=one).update(
            first_sent_at=F("first_sent_at") - hours, tried_until=F("tried_until") - hours
        )
        other = in_doubt(made=True, first_seed=10)
        hours_pass()
        assert is_imported_once(persona, one)
        assert is_imported_once(persona, other)

    def test_of_which_one_is_still_being_sent_wait_for_it_and_ask_nothing(
        self, persona: LocalPersona, in_doubt: Make, make_import: Make, settings: Settings
    ) -> None:
        sent = in_doubt(made=True)
        other = make_import(first_seed=10)
        Batch.objects.filter(face_import=sent).update(next_attempt_at=Now() + timedelta(seconds=9))
        assert claim("another") == the_only(other)
        time_passes()
        assert send_next(OWNER)
        batch = the_only(sent)
        assert (batch.state, batch.look_first) == (State.UNKNOWN, True)
        assert batch.problem_detail == "Looking for it at Persona."
        assert batch.problem == "no_answer"
        assert asked(persona) == 0
        assert not send_next(OWNER)
        lease_runs_out()
        settings.PERSONA_KEY_LIFE_HOURS = 1
        hours_pass()
        assert is_imported_once(persona, other)
        assert is_imported_once(persona, sent)

    def test_of_which_one_will_soon_be_sent_again_wait_for_it(
        self, persona: LocalPersona, in_doubt: Make, settings: Settings
    ) -> None:
        sent, other = in_doubt(made=True), in_doubt(made=True, first_seed=10)
        settings.PERSONA_KEY_LIFE_HOURS = 1
        Batch.objects.filter(face_import=sent).update(look_first=True)
        Batch.objects.filter(face_import=other).update(next_attempt_at=Now() + timedelta(seconds=9))
        assert send_next(OWNER)
        assert the_only(sent).state == State.UNKNOWN
        hours_pass()
        assert is_imported_once(persona, other)
        assert is_imported_once(persona, sent)


@pytest.mark.django_db
class TestTheWalk:
    def test_goes_over_more_than_one_page_and_each_takes_one_of_our_share(
        self, persona: LocalPersona, in_doubt: Make, strangers: Callable[..., list[str]]
    ) -> None:
        sent = in_doubt(made=True)
        strangers(220, seconds_from_now=300)
        before = pacing.share(Environment.LOCAL).taken
        assert send_next(OWNER)
        assert asked(persona) == 3
        assert pacing.share(Environment.LOCAL).taken - before == 3
        assert made_by_us(persona, sent) == [the_only(sent).importer_id]

    def test_ends_where_our_first_try_began(
        self, persona: LocalPersona, in_doubt: Make, strangers: Callable[..., list[str]]
    ) -> None:
        strangers(150, seconds_from_now=-7200)
        sent = in_doubt(made=True)
        looks()
        assert asked(persona) == 1
        assert made_by_us(persona, sent) == [the_only(sent).importer_id]

    @pytest.mark.parametrize("made", [True, False])
    def test_that_did_not_come_to_its_end_decides_nothing(
        self,
        persona: LocalPersona,
        in_doubt: Make,
        strangers: Callable[..., list[str]],
        monkeypatch: pytest.MonkeyPatch,
        made: bool,
    ) -> None:
        monkeypatch.setattr(reconcile, "MOST_PAGES", 2)
        sent = in_doubt(made=made)
        strangers(220, seconds_from_now=300)
        looks()
        assert asked(persona) == 2
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
        assert (batch.may_have_arrived, batch.candidates) == (True, [])
        assert batch.problem_detail.endswith("not all are shown.")
        assert len(keys(persona)) == 1 + 220

    def test_that_ends_on_the_last_page_that_we_read_decides(
        self,
        persona: LocalPersona,
        in_doubt: Make,
        strangers: Callable[..., list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(reconcile, "MOST_PAGES", 2)
        sent = in_doubt(made=True)
        strangers(120, seconds_from_now=300)
        looks()
        assert made_by_us(persona, sent) == [the_only(sent).importer_id]

    def test_is_done_later_where_our_share_ends_in_the_middle(
        self, persona: LocalPersona, in_doubt: Make, strangers: Callable[..., list[str]]
    ) -> None:
        sent = in_doubt(made=True)
        strangers(120, seconds_from_now=300)
        share_is_used(146)
        assert send_next(OWNER)
        assert asked(persona) == 1
        batch = the_only(sent)
        assert (batch.state, batch.look_first) == (State.UNKNOWN, True)
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
    def test_that_persona_refuses_changes_nothing_and_is_done_again(
        self, persona: LocalPersona, in_doubt: Make, fault: str
    ) -> None:
        sent = in_doubt(made=True)
        key = the_only(sent).idempotency_key
        persona.faults.inject(fault, where=INDEX)
        looks()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.UNKNOWN, "no_answer")
        assert (batch.look_first, batch.may_have_arrived) == (True, True)
        assert batch.idempotency_key == key
        forward()
        assert len(sends(persona)) == 1
        assert is_imported_once(persona, sent)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"successful_count": 3}, True),
        ({"successful_count": 1, "duplicate_count": 1, "error_count": 1}, True),
        ({"successful_count": 3, "duplicate_count": None, "error_count": None}, True),
        ({"successful_count": 2}, False),
        ({"successful_count": 3, "error_count": 1}, False),
        ({}, False),
        ({"status": Status.PENDING}, True),
        (
            {
                "status": Status.PENDING,
                "successful_count": None,
                "duplicate_count": None,
                "error_count": None,
            },
            True,
        ),
        ({"status": Status.PENDING, "successful_count": 3}, True),
        ({"status": Status.PENDING, "successful_count": 1}, False),
        ({"status": Status.ERRORED}, False),
        ({"status": Status.UNKNOWN}, False),
    ],
)
def test_an_importer_fits_where_its_counts_add_up_or_it_has_none_yet(
    values: dict[str, Any], expected: bool
) -> None:
    importer = persona_importer(**({"status": Status.READY} | values))
    assert reconcile.fits(Batch(image_count=3), importer) == expected


@pytest.mark.django_db
class TestOneThatCouldBeIt:
    def test_but_holds_another_number_of_images_is_left_to_a_person(
        self, persona: LocalPersona, in_doubt: Make, strangers: Callable[..., list[str]]
    ) -> None:
        sent = in_doubt(made=False)
        (theirs,) = strangers()
        looks()
        batch = the_only(sent)
        assert (batch.state, batch.problem) == (State.FAILED, "ambiguous")
        assert (batch.importer_id, batch.may_have_arrived) == ("", True)
        assert [row["id"] for row in batch.candidates] == [theirs]

    def test_is_adopted_while_it_is_pending_without_counts(
        self, persona: LocalPersona, in_doubt: Make
    ) -> None:
        sent = in_doubt(made=True)
        persona.faults.inject("stuck", where=INDEX)
        looks()
        batch = the_only(sent)
        assert (batch.state, batch.persona_status) == (State.IMPORTING, "pending")
        assert made_by_us(persona, sent) == [batch.importer_id]


@pytest.mark.django_db
class TestSeveralThatCouldBeIt:
    def test_are_stored_and_a_person_is_asked(
        self, persona: LocalPersona, ambiguous: Batch
    ) -> None:
        assert (ambiguous.state, ambiguous.may_have_arrived) == (State.FAILED, True)
        assert not ambiguous.look_first
        assert "can't be told for sure which import" in ambiguous.problem_detail
        assert Import.objects.get().state == Import.State.NEEDS_ATTENTION
        ours, theirs = persona.ledger()
        newest, oldest = ambiguous.candidates
        assert (newest["id"], oldest["id"]) == (theirs.importer_id, ours.importer_id)
        assert (oldest["status"], oldest["successful_count"]) == ("ready", 3)
        assert (oldest["duplicate_count"], oldest["error_count"]) == (0, 0)
        assert newest["successful_count"] == 1
        assert newest["created_at"] >= oldest["created_at"] > "2026"

    def test_are_told_in_the_audit_trail(self, ambiguous: Batch) -> None:
        event = AuditEvent.objects.get(action="batch.failed")
        assert (event.actor_name, event.object_id) == ("worker", str(ambiguous.pk))
        assert event.details == {"problem": "ambiguous"}

    def test_leave_nothing_for_a_second_try(
        self, persona: LocalPersona, ambiguous: Batch, actor: Actor
    ) -> None:
        assert retry(ambiguous.face_import, actor) == 0
        forward()
        after = Batch.objects.get(pk=ambiguous.pk)
        assert (after.state, after.problem) == (State.FAILED, "ambiguous")
        assert after.candidates == ambiguous.candidates
        assert after.idempotency_key == ambiguous.idempotency_key
        assert keys(persona).count(str(after.idempotency_key)) == 1


@pytest.mark.django_db
class TestAPersonsDecision:
    def test_for_one_of_them_makes_it_the_batch_s_own(
        self, persona: LocalPersona, ambiguous: Batch, actor: Actor
    ) -> None:
        ours, _ = persona.ledger()
        decide(ambiguous, ours.importer_id, actor)
        batch = Batch.objects.get(pk=ambiguous.pk)
        assert (batch.state, batch.importer_id) == (State.IMPORTING, ours.importer_id)
        assert (batch.problem, batch.problem_detail, batch.candidates) == ("", "", [])
        assert batch.face_import.state == Import.State.FORWARDING
        forward()
        assert is_imported_once(persona, batch.face_import)
        batch.refresh_from_db()
        assert (batch.successful_count, batch.duplicate_count) == (3, 0)
        assert Import.objects.get().state == Import.State.COMPLETED
        assert len(sends(persona)) == 2

    def test_for_none_of_them_sends_it_under_a_new_key(
        self, persona: LocalPersona, in_doubt: Make, strangers: Callable[..., list[str]],
        actor: Actor,
    ) -> None:  # fmt: skip
        sent = in_doubt(made=False)
        strangers(2)
        looks()
        batch = the_only(sent)
        decide(batch, "", actor)
        again = the_only(sent)
        assert (again.state, again.idempotency_key) == (State.QUEUED, None)
        assert (again.may_have_arrived, again.first_sent_at) == (False, None)
        assert (again.problem, again.candidates) == ("", [])
        forward()
        assert is_imported_once(persona, sent)
        assert str(batch.idempotency_key) != str(the_only(sent).idempotency_key)
        sent.refresh_from_db()
        assert sent.state == Import.State.COMPLETED

    def test_is_told_in_the_audit_trail(self, ambiguous: Batch, actor: Actor) -> None:
        chosen = ambiguous.candidates[0]["id"]
        decide(ambiguous, chosen, actor)
        event = AuditEvent.objects.get(action="batch.decided")
        assert (event.actor, event.object_id) == (actor.user, str(ambiguous.pk))
        assert event.details == {"importer": chosen}
        assert list(audit.breaks()) == []

    @pytest.mark.parametrize("importer_id", ["mprt_of_a_stranger", " ", "mprt_"])
    def test_for_another_importer_is_refused(
        self, ambiguous: Batch, actor: Actor, importer_id: str
    ) -> None:
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, importer_id, actor)
        assert is_as_it_was(ambiguous)

    def test_for_one_that_another_batch_took_meanwhile_is_refused(
        self, ambiguous: Batch, make_import: Make, actor: Actor
    ) -> None:
        other = the_only(make_import(first_seed=10))
        chosen = ambiguous.candidates[0]["id"]
        Batch.objects.filter(pk=other.pk).update(importer_id=chosen, state=State.DONE)
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, chosen, actor)
        assert is_as_it_was(ambiguous)

    @pytest.mark.parametrize("second", [0, 1, None])
    @pytest.mark.parametrize("first", [0, None])
    def test_is_taken_once(
        self, ambiguous: Batch, actor: Actor, first: int | None, second: int | None
    ) -> None:
        ids = [row["id"] for row in ambiguous.candidates]
        decide(ambiguous, "" if first is None else ids[first], actor)
        decided = Batch.objects.values().get(pk=ambiguous.pk)
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, "" if second is None else ids[second], actor)
        assert Batch.objects.values().get(pk=ambiguous.pk) == decided
        assert AuditEvent.objects.filter(action="batch.decided").count() == 1

    @pytest.mark.parametrize("problem", ["refused", "seal_broken", "key_reused"])
    def test_of_a_batch_that_failed_for_another_reason_is_refused(
        self, ambiguous: Batch, actor: Actor, problem: str
    ) -> None:
        Batch.objects.update(problem=problem)
        with pytest.raises(NoSuchCandidate):
            decide(ambiguous, "", actor)
        assert the_only(ambiguous.face_import).state == State.FAILED

    def test_for_each_of_two_batches_ends_both(
        self, persona: LocalPersona, in_doubt: Make, actor: Actor
    ) -> None:
        both = [in_doubt(made=True), in_doubt(made=True, first_seed=10)]
        hours_pass()
        for sent in both:
            decide(the_only(sent), made_by_us(persona, sent)[0], actor)
        forward()
        assert [is_imported_once(persona, sent) for sent in both] == [True, True]
        assert len(sends(persona)) == 2


def is_as_it_was(batch: Batch) -> bool:
    after = Batch.objects.get(pk=batch.pk)
    same = (after.state, after.problem, after.candidates) == (
        *(State.FAILED, "ambiguous"),
        batch.candidates,
    )
    import_waits = after.face_import.state == Import.State.NEEDS_ATTENTION
    told = AuditEvent.objects.filter(action="batch.decided").exists()
    return same and import_waits and not told and after.importer_id == ""


@pytest.mark.django_db
def test_a_batch_that_was_never_sent_is_not_looked_for(make_import: Make) -> None:
    with pytest.raises(ValueError, match="never sent"):
        reconcile.look(the_only(make_import()))
