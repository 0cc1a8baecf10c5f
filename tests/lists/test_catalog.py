"""The catalog of face lists: reading them all, looking one up, adding one by its id."""

from datetime import timedelta

import pytest
import requests
from django.db.models import F

from importers import audit, connection, facelists, pacing
from importers.audit import Actor
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Environment, Exchange, FaceList, PersonaLine
from importers.persona import errors
from tests.support.forwarding import share_is_used

pytestmark = pytest.mark.django_db


def archive(persona: LocalPersona, list_id: str) -> None:
    response = requests.delete(
        f"{persona.url}/lists/{list_id}",
        headers={"Authorization": f"Bearer {persona.key}"},
        timeout=10,
    )
    assert response.status_code == 200


def read_events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="lists.read"))


def use_up_our_share() -> None:
    pacing.take(Environment.LOCAL)
    share_is_used(150)


class TestReading:
    def test_reading_keeps_archived_and_active_face_lists(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        assert facelists.read_all(actor) == 3
        rows = {row.name: row.archived for row in FaceList.objects.all()}
        assert rows == {"Old watch list": True, "Watch list": False, "Confirmed fraud": False}
        assert [row.name for row in facelists.usable()] == ["Confirmed fraud", "Watch list"]
        assert all(row.read_at for row in facelists.known())

    def test_reading_follows_all_pages(self, persona: LocalPersona, actor: Actor) -> None:
        new = {persona.add_list(f"List {n}") for n in range(120)}
        assert facelists.read_all(actor) == 123
        assert new <= set(FaceList.objects.values_list("persona_id", flat=True))
        assert len(persona.requests()) == 2

    def test_reading_uses_one_request_per_page(self, persona: LocalPersona, actor: Actor) -> None:
        for n in range(200):
            persona.add_list(f"List {n}")
        facelists.read_all(actor)
        assert len(persona.requests()) == pacing.share(Environment.LOCAL).taken == 3

    def test_reading_keeps_nothing_if_our_share_ends_midway(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        for n in range(120):
            persona.add_list(f"List {n}")
        pacing.take(Environment.LOCAL)
        share_is_used(149)
        with pytest.raises(facelists.Busy):
            facelists.read_all(actor)
        assert len(persona.requests()) == 1
        assert not FaceList.objects.exists()
        assert facelists.is_due()

    def test_reading_keeps_only_face_lists_of_every_page(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        faces = {persona.add_list("Faces")}
        for n in range(110):
            persona.add_list(f"List {n}", kind=["list/name", "list/in-no-paper"][n % 2])
        faces.add(persona.add_list("Newer faces"))
        assert facelists.read_all(actor) == 5
        kept = set(FaceList.objects.values_list("persona_id", flat=True))
        assert faces <= kept
        assert len(kept) == 5

    def test_reading_records_new_lists_in_the_audit_trail(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        facelists.read_all(actor)
        new = persona.add_list("Added later")
        facelists.read_all(audit.WORKER)
        first, second = read_events()
        assert (first.actor, len(first.details["changed"])) == (actor.user, 3)
        assert (second.actor_name, second.details) == ("worker", {"changed": [new]})

    def test_reading_twice_changes_nothing_and_is_recorded_once(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        facelists.read_all(actor)
        before = list(FaceList.objects.values("pk", "persona_id", "name", "archived"))
        facelists.read_all(actor)
        assert list(FaceList.objects.values("pk", "persona_id", "name", "archived")) == before
        assert len(read_events()) == 1

    def test_reading_follows_a_new_name_and_an_archiving(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor
    ) -> None:
        FaceList.objects.filter(pk=known_list.pk).update(name="Its former name")
        archive(persona, known_list.persona_id)
        facelists.read_all(actor)
        known_list.refresh_from_db()
        assert (known_list.name, known_list.archived) == ("Known fraud", True)
        assert known_list.persona_id in read_events()[0].details["changed"]

    def test_reading_keeps_our_name_if_persona_has_none(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        nameless = persona.add_list("")
        FaceList.objects.create(environment="local", persona_id=nameless, name="Our name")
        facelists.read_all(actor)
        assert FaceList.objects.get(persona_id=nameless).name == "Our name"

    def test_reading_records_a_new_list_without_a_name(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        nameless = persona.add_list("")
        facelists.read_all(actor)
        assert nameless in read_events()[0].details["changed"]

    def test_reading_leaves_other_environments_alone(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor
    ) -> None:
        twin = FaceList.objects.create(
            environment=Environment.PRODUCTION, persona_id=known_list.persona_id, name="Theirs"
        )
        facelists.read_all(actor)
        twin.refresh_from_db()
        assert (twin.name, twin.read_at) == ("Theirs", None)
        assert twin not in facelists.known()

    @pytest.mark.parametrize("fault", ["unavailable", "unauthorized", "forbidden", "bad_gateway"])
    def test_failed_reading_changes_nothing(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor, fault: str
    ) -> None:
        persona.faults.inject(fault)
        with pytest.raises(errors.PersonaError):
            facelists.read_all(actor)
        assert list(FaceList.objects.all()) == [known_list]
        assert read_events() == []
        assert facelists.is_due()

    def test_reading_waits_while_our_share_is_used_up(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        use_up_our_share()
        with pytest.raises(facelists.Busy) as caught:
            facelists.read_all(actor)
        assert timedelta(seconds=59) < caught.value.wait <= timedelta(seconds=61)
        assert persona.requests() == []

    def test_reading_is_due_every_ten_minutes(self, persona: LocalPersona, actor: Actor) -> None:
        assert facelists.is_due()
        facelists.read_all(actor)
        assert not facelists.is_due()
        PersonaLine.objects.update(lists_read_at=F("lists_read_at") - timedelta(minutes=10))
        assert facelists.is_due()

    def test_failed_reading_is_postponed(self, persona: LocalPersona) -> None:
        PersonaLine.objects.get_or_create(environment="local")
        assert facelists.is_due()
        facelists.postpone_reading()
        assert not facelists.is_due()

    def test_reading_finds_within_a_minute_that_persona_is_back(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        """Even if no batch waits to be sent or polled."""
        persona.faults.inject("drop_unmade", where="GET /lists")
        with pytest.raises(errors.NoAnswer):
            facelists.read_all(actor)
        facelists.postpone_reading()
        assert not facelists.is_due()
        minute = timedelta(minutes=1)
        PersonaLine.objects.update(lists_read_at=F("lists_read_at") - minute, paused_until=None)
        assert facelists.is_due()
        facelists.read_all(actor)
        assert connection.line().problem == ""


class TestLookUp:
    def test_look_up_reads_the_list_from_persona(self, persona: LocalPersona, actor: Actor) -> None:
        list_id = persona.add_list("Fresh")
        row = facelists.look_up(list_id, actor)
        assert (row.environment, row.persona_id) == ("local", list_id)
        assert (row.name, row.archived) == ("Fresh", False)
        assert row.read_at
        assert [event.details for event in read_events()] == [{"changed": [list_id]}]
        assert Exchange.objects.get().path == f"/lists/{list_id}"

    def test_look_up_notices_an_archiving(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor
    ) -> None:
        archive(persona, known_list.persona_id)
        assert facelists.look_up(known_list.persona_id, actor).archived
        assert known_list not in facelists.usable()

    def test_look_up_refuses_a_list_without_faces(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        other = persona.add_list("Names", kind="list/name")
        with pytest.raises(facelists.NotAFaceList):
            facelists.look_up(other, actor)
        assert not FaceList.objects.exists()

    def test_look_up_reports_an_unknown_list(self, persona: LocalPersona, actor: Actor) -> None:
        with pytest.raises(errors.NotFound):
            facelists.look_up("lst_none", actor)
        assert not FaceList.objects.exists()

    def test_look_up_waits_while_our_share_is_used_up(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        use_up_our_share()
        with pytest.raises(facelists.Busy):
            facelists.look_up("lst_any", actor)
        assert persona.requests() == []


class TestAdding:
    def test_added_list_has_personas_name(self, persona: LocalPersona, actor: Actor) -> None:
        list_id = persona.add_list("Its own name")
        row, doubt = facelists.add(list_id, "What I call it", actor)
        assert (row.name, doubt) == ("Its own name", "")

    @pytest.mark.parametrize(
        ("fault", "doubt"),
        [
            ("forbidden", "Forbidden: IP address is not permitted access to current environment"),
            ("unauthorized", "Token is invalid"),
            ("bad_gateway", "Persona answered 502."),
        ],
    )
    def test_unreadable_list_is_added_with_a_doubt(
        self, persona: LocalPersona, actor: Actor, fault: str, doubt: str
    ) -> None:
        persona.faults.inject(fault)
        row, shown_doubt = facelists.add("lst_mine", "What I call it", actor)
        assert shown_doubt == doubt
        assert (row.persona_id, row.name, row.read_at) == ("lst_mine", "What I call it", None)
        assert row in facelists.usable()
        event = AuditEvent.objects.get()
        assert (event.actor, event.action) == (actor.user, "list.added")
        assert event.details == {"persona_id": "lst_mine"}

    def test_list_unknown_to_persona_is_not_added(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        with pytest.raises(errors.NotFound):
            facelists.add("lst_none", "Not there yet", actor)
        assert not FaceList.objects.exists()

    def test_used_up_share_adds_a_list_unconfirmed(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        use_up_our_share()
        row, doubt = facelists.add("lst_mine", "Mine", actor)
        assert (row.name, doubt) == ("Mine", "not asked yet")
        assert persona.requests() == []

    def test_list_without_faces_is_not_added(self, persona: LocalPersona, actor: Actor) -> None:
        other = persona.add_list("Names", kind="list/name")
        with pytest.raises(facelists.NotAFaceList):
            facelists.add(other, "Names", actor)
        assert not FaceList.objects.exists()

    def test_adding_a_list_twice_keeps_its_first_name(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        persona.faults.inject("forbidden", None, "GET /lists*")
        first, _ = facelists.add("lst_none", "First name", actor)
        second, _ = facelists.add("lst_none", "Second name", actor)
        assert (second.pk, second.name) == (first.pk, "First name")
        assert AuditEvent.objects.filter(action="list.added").count() == 1


class TestRefusedKey:
    def test_key_without_access_to_lists_keeps_the_connection_up(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        persona.faults.inject("forbidden", where="GET /lists*", times=2)
        facelists.add("lst_mine", "Mine", actor)
        with pytest.raises(errors.KeyRefused):
            facelists.read_all(actor)
        gateway = connection.line()
        assert (gateway.problem, gateway.paused_until) == ("", None)
        assert pacing.take(Environment.LOCAL) == timedelta()

    def test_key_without_access_to_lists_keeps_an_outage_visible(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        PersonaLine.objects.get_or_create(environment="local")
        PersonaLine.objects.update(problem="unreachable")
        persona.faults.inject("forbidden")
        facelists.add("lst_mine", "Mine", actor)
        assert connection.line().problem == "unreachable"

    def test_refused_key_is_a_problem_of_the_connection(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        persona.faults.inject("unauthorized")
        facelists.add("lst_mine", "Mine", actor)
        assert connection.line().problem == "key_refused"
