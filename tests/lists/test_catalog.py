"""The catalog of face lists: reading them all, looking one up, adding one by its id."""

from datetime import timedelta

import pytest
import requests
from django.db.models import F
from pytest_django import Settings

from importers.audit.actors import WORKER, Actor
from importers.gateway import environments, rate_limit
from importers.lists import catalog
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Environment, Exchange, FaceList, Gateway
from tests.support.forwarding import share_is_used
from tests.support.scripted_persona import says

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def archive(persona: LocalPersona, list_id: str) -> None:
    response = requests.delete(
        f"{persona.url}/lists/{list_id}",
        headers={"Authorization": f"Bearer {persona.key}"},
        timeout=10,
    )
    assert response.status_code == 200


def read_events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="lists.synced"))


def use_up_our_share() -> None:
    rate_limit.reserve(Environment.LOCAL)
    share_is_used(150)


class TestReading:
    def test_reading_keeps_archived_and_active_face_lists(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        assert catalog.sync(actor) == 3
        rows = {row.name: row.archived for row in FaceList.objects.all()}
        assert rows == {"Old watch list": True, "Watch list": False, "Confirmed fraud": False}
        assert [row.name for row in catalog.usable()] == ["Confirmed fraud", "Watch list"]
        assert all(row.read_at for row in catalog.known())

    def test_reading_follows_all_pages(self, persona: LocalPersona, actor: Actor) -> None:
        new = {persona.add_list(f"List {n}") for n in range(120)}
        assert catalog.sync(actor) == 123
        assert new <= set(FaceList.objects.values_list("persona_id", flat=True))
        assert len(persona.requests()) == 2

    def test_reading_uses_one_request_per_page(self, persona: LocalPersona, actor: Actor) -> None:
        for n in range(200):
            persona.add_list(f"List {n}")
        catalog.sync(actor)
        assert len(persona.requests()) == rate_limit.budget(Environment.LOCAL).used == 3

    def test_reading_keeps_nothing_if_our_share_ends_midway(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        for n in range(120):
            persona.add_list(f"List {n}")
        rate_limit.reserve(Environment.LOCAL)
        share_is_used(149)
        with pytest.raises(catalog.NoRequestLeft):
            catalog.sync(actor)
        assert len(persona.requests()) == 1
        assert not FaceList.objects.exists()
        assert catalog.sync_is_due()

    def test_reading_keeps_only_face_lists_of_every_page(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        faces = {persona.add_list("Faces")}
        for n in range(110):
            persona.add_list(f"List {n}", kind=["list/name", "list/in-no-paper"][n % 2])
        faces.add(persona.add_list("Newer faces"))
        assert catalog.sync(actor) == 5
        kept = set(FaceList.objects.values_list("persona_id", flat=True))
        assert faces <= kept
        assert len(kept) == 5

    def test_reading_records_new_lists_in_the_audit_trail(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        catalog.sync(actor)
        new = persona.add_list("Added later")
        catalog.sync(WORKER)
        first, second = read_events()
        assert (first.actor, len(first.details["changed"])) == (actor.user, 3)
        assert (second.actor_name, second.details) == ("worker", {"changed": [new]})

    def test_reading_twice_changes_nothing_and_is_recorded_once(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        catalog.sync(actor)
        before = list(FaceList.objects.values("pk", "persona_id", "name", "archived"))
        catalog.sync(actor)
        assert list(FaceList.objects.values("pk", "persona_id", "name", "archived")) == before
        assert len(read_events()) == 1

    def test_reading_follows_a_new_name_and_an_archiving(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor
    ) -> None:
        FaceList.objects.filter(pk=known_list.pk).update(name="Its former name")
        archive(persona, known_list.persona_id)
        catalog.sync(actor)
        known_list.refresh_from_db()
        assert (known_list.name, known_list.archived) == ("Known fraud", True)
        assert known_list.persona_id in read_events()[0].details["changed"]

    def test_reading_keeps_our_name_if_persona_has_none(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        nameless = persona.add_list("")
        FaceList.objects.create(environment="local", persona_id=nameless, name="Our name")
        catalog.sync(actor)
        assert FaceList.objects.get(persona_id=nameless).name == "Our name"

    def test_reading_records_a_new_list_without_a_name(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        nameless = persona.add_list("")
        catalog.sync(actor)
        assert nameless in read_events()[0].details["changed"]

    def test_reading_leaves_other_environments_alone(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor
    ) -> None:
        twin = FaceList.objects.create(
            environment=Environment.PRODUCTION, persona_id=known_list.persona_id, name="Theirs"
        )
        catalog.sync(actor)
        twin.refresh_from_db()
        assert (twin.name, twin.read_at) == ("Theirs", None)
        assert twin not in catalog.known()

    @pytest.mark.parametrize("fault", ["unavailable", "unauthorized", "forbidden", "bad_gateway"])
    def test_failed_reading_changes_nothing(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor, fault: str
    ) -> None:
        persona.faults.inject(fault)
        with pytest.raises(catalog.Unavailable):
            catalog.sync(actor)
        assert list(FaceList.objects.all()) == [known_list]
        assert read_events() == []
        assert catalog.sync_is_due()
        assert environments.gateway().lists_synced_at is None

    def test_reading_waits_while_our_share_is_used_up(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        use_up_our_share()
        with pytest.raises(catalog.NoRequestLeft) as caught:
            catalog.sync(actor)
        assert timedelta(seconds=59) < caught.value.wait <= timedelta(seconds=61)
        assert persona.requests() == []

    def test_reading_is_due_every_ten_minutes(self, persona: LocalPersona, actor: Actor) -> None:
        assert catalog.sync_is_due()
        catalog.sync(actor)
        assert not catalog.sync_is_due()
        Gateway.objects.update(lists_attempted_at=F("lists_attempted_at") - timedelta(minutes=10))
        assert catalog.sync_is_due()

    def test_failed_reading_is_postponed(self, persona: LocalPersona) -> None:
        Gateway.objects.get_or_create(environment="local")
        assert catalog.sync_is_due()
        catalog.postpone_sync()
        assert not catalog.sync_is_due()
        assert environments.gateway().lists_synced_at is None, "no sync has succeeded"

    def test_reading_finds_within_a_minute_that_persona_is_back(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        """Even if no batch waits to be sent or polled."""
        persona.faults.inject("drop_unmade", where="GET /lists")
        with pytest.raises(catalog.Unavailable):
            catalog.sync(actor)
        catalog.postpone_sync()
        assert not catalog.sync_is_due()
        minute = timedelta(minutes=1)
        Gateway.objects.update(lists_attempted_at=F("lists_attempted_at") - minute, retry_at=None)
        assert catalog.sync_is_due()
        catalog.sync(actor)
        assert environments.gateway().problem == ""


class TestLookUp:
    def test_look_up_reads_the_list_from_persona(self, persona: LocalPersona, actor: Actor) -> None:
        list_id = persona.add_list("Fresh")
        row = catalog.look_up(list_id, actor)
        assert (row.environment, row.persona_id) == ("local", list_id)
        assert (row.name, row.archived) == ("Fresh", False)
        assert row.read_at
        assert [event.details for event in read_events()] == [{"changed": [list_id]}]
        assert Exchange.objects.get().path == f"/lists/{list_id}"

    def test_look_up_notices_an_archiving(
        self, persona: LocalPersona, known_list: FaceList, actor: Actor
    ) -> None:
        archive(persona, known_list.persona_id)
        assert catalog.look_up(known_list.persona_id, actor).archived
        assert known_list not in catalog.usable()

    def test_look_up_refuses_a_list_without_faces(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        other = persona.add_list("Names", kind="list/name")
        with pytest.raises(catalog.NotAFaceList):
            catalog.look_up(other, actor)
        assert not FaceList.objects.exists()

    def test_look_up_accepts_no_other_list(self, settings: Settings, actor: Actor) -> None:
        other = {"type": "list/face", "id": "lst_other", "attributes": {"name": "Other"}}
        with says("200 OK", {"data": other}) as server:
            settings.PERSONA_BASE_URL, settings.PERSONA_IS_LOCAL = server.url, True
            with pytest.raises(catalog.Unavailable, match="Persona answered with another list"):
                catalog.look_up("lst_wanted", actor)
        assert not FaceList.objects.exists()

    def test_look_up_reports_an_unknown_list(self, persona: LocalPersona, actor: Actor) -> None:
        with pytest.raises(catalog.UnknownList):
            catalog.look_up("lst_none", actor)
        assert not FaceList.objects.exists()

    def test_look_up_waits_while_our_share_is_used_up(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        use_up_our_share()
        with pytest.raises(catalog.NoRequestLeft):
            catalog.look_up("lst_any", actor)
        assert persona.requests() == []


class TestAdding:
    def test_added_list_has_personas_name(self, persona: LocalPersona, actor: Actor) -> None:
        list_id = persona.add_list("Its own name")
        row, doubt = catalog.add(list_id, "What I call it", actor)
        assert (row.name, doubt) == ("Its own name", "")

    @pytest.mark.parametrize(
        ("fault", "doubt"),
        [
            ("forbidden", "Forbidden: IP address is not permitted access to current environment"),
            ("unauthorized", "Token is invalid"),
            ("bad_gateway", "Persona is temporarily unavailable (502)"),
        ],
    )
    def test_unreadable_list_is_added_with_a_doubt(
        self, persona: LocalPersona, actor: Actor, fault: str, doubt: str
    ) -> None:
        persona.faults.inject(fault)
        row, shown_doubt = catalog.add("lst_mine", "What I call it", actor)
        assert shown_doubt == doubt
        assert (row.persona_id, row.name, row.read_at) == ("lst_mine", "What I call it", None)
        assert row in catalog.usable()
        event = AuditEvent.objects.get()
        assert (event.actor, event.action) == (actor.user, "list.added")
        assert event.details == {"persona_id": "lst_mine"}

    def test_list_unknown_to_persona_is_not_added(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        with pytest.raises(catalog.UnknownList):
            catalog.add("lst_none", "Not there yet", actor)
        assert not FaceList.objects.exists()

    def test_used_up_share_adds_a_list_unconfirmed(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        use_up_our_share()
        row, doubt = catalog.add("lst_mine", "Mine", actor)
        assert (row.name, doubt) == ("Mine", "Persona was not asked")
        assert persona.requests() == []

    def test_list_without_faces_is_not_added(self, persona: LocalPersona, actor: Actor) -> None:
        other = persona.add_list("Names", kind="list/name")
        with pytest.raises(catalog.NotAFaceList):
            catalog.add(other, "Names", actor)
        assert not FaceList.objects.exists()

    def test_adding_a_list_twice_keeps_its_first_name(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        persona.faults.inject("forbidden", None, "GET /lists*")
        first, _ = catalog.add("lst_none", "First name", actor)
        second, _ = catalog.add("lst_none", "Second name", actor)
        assert (second.pk, second.name) == (first.pk, "First name")
        assert AuditEvent.objects.filter(action="list.added").count() == 1


class TestRefusedKey:
    def test_key_without_access_to_lists_keeps_the_connection_up(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        persona.faults.inject("forbidden", where="GET /lists*", times=2)
        catalog.add("lst_mine", "Mine", actor)
        with pytest.raises(catalog.Unavailable):
            catalog.sync(actor)
        gateway = environments.gateway()
        assert (gateway.problem, gateway.retry_at) == ("", None)
        assert rate_limit.reserve(Environment.LOCAL)

    def test_key_without_access_to_lists_keeps_an_outage_visible(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        Gateway.objects.get_or_create(environment="local")
        Gateway.objects.update(problem="unreachable")
        persona.faults.inject("forbidden")
        catalog.add("lst_mine", "Mine", actor)
        assert environments.gateway().problem == "unreachable"

    def test_refused_key_is_a_problem_of_the_connection(
        self, persona: LocalPersona, actor: Actor
    ) -> None:
        persona.faults.inject("unauthorized")
        catalog.add("lst_mine", "Mine", actor)
        assert environments.gateway().problem == "key_refused"
