"""The page of Persona's face lists: reading them all, and adding one by its id."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.gateway import rate_limit
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Environment, FaceList, Gateway, Import, Person
from tests.support.forwarding import share_is_used
from tests.support.pages import words_of

pytestmark = pytest.mark.django_db
SEEDED = {"Watch list", "Confirmed fraud"}


def read(client: Client) -> Any:
    return client.post(reverse("lists_sync"), follow=True)


def add(client: Client, persona_id: str, name: str = "") -> Any:
    path = reverse("list_add")
    return client.post(path, {"persona_id": persona_id, "name": name}, follow=True)


class TestPage:
    def test_page_shows_id_state_and_imports_of_each_list(
        self, signed_in: Client, officer: Person, persona: LocalPersona
    ) -> None:
        read(signed_in)
        watched = FaceList.objects.get(name="Watch list")
        for _ in range(3):
            Import.objects.create(face_list=watched, created_by=officer)
        response = signed_in.get("/lists/")
        row = re.search(
            rf"<tr>(?:(?!</tr>).)*{watched.persona_id}.*?</tr>", response.content.decode(), re.S
        )
        assert row is not None
        assert 'data-state="active"' in row[0]
        assert f'href="/?face_list={watched.pk}">3<' in row[0]
        assert f"/imports/new/?list={watched.pk}" in row[0]

    def test_archived_list_is_marked_and_offers_no_import(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        read(signed_in)
        archived = FaceList.objects.get(name="Old watch list")
        response = signed_in.get("/lists/")
        assert "Archived" in words_of(response)
        assert f"/imports/new/?list={archived.pk}" not in response.content.decode()

    def test_refused_list_shows_the_reason_escaped(
        self, signed_in: Client, face_list: FaceList
    ) -> None:
        FaceList.objects.update(problem="<b>Persona answered 404</b>", name="<i>Fraud</i>")
        response = signed_in.get("/lists/")
        assert 'data-state="refused"' in response.content.decode()
        assert "<b>Persona answered 404</b>" in words_of(response)
        assert "<i>Fraud" not in response.content.decode()

    def test_lists_of_other_environments_are_not_shown(self, signed_in: Client) -> None:
        for environment in (Environment.SANDBOX, Environment.PRODUCTION):
            FaceList.objects.create(environment=environment, persona_id="lst_x", name="Elsewhere")
        assert "Elsewhere" not in words_of(signed_in.get("/lists/"))
        assert "No face lists yet" in words_of(signed_in.get("/lists/"))

    def test_page_shows_when_the_lists_were_read(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        assert "Not synced yet" in words_of(signed_in.get("/lists/"))
        assert "Last synced" in words_of(read(signed_in))

    def test_page_sends_persona_no_request(self, signed_in: Client, persona: LocalPersona) -> None:
        signed_in.get("/lists/")
        assert persona.requests() == []


class TestReading:
    def test_reading_keeps_every_face_list_and_no_other_list(
        self, signed_in: Client, officer: Person, persona: LocalPersona
    ) -> None:
        added = persona.add_list("Deepfakes")
        response = read(signed_in)
        assert "4 face lists synced from Persona." in words_of(response)
        active = FaceList.objects.filter(archived=False)
        assert {row.name for row in active} == SEEDED | {"Deepfakes"}
        assert FaceList.objects.get(persona_id=added).environment == "local"
        assert [row.name for row in FaceList.objects.filter(archived=True)] == ["Old watch list"]
        event = AuditEvent.objects.get(action="lists.synced")
        assert event.actor == officer
        assert added in event.details["changed"]

    def test_reading_follows_all_pages(self, signed_in: Client, persona: LocalPersona) -> None:
        for number in range(120):
            persona.add_list(f"List {number}")
        assert "123 face lists synced from Persona." in words_of(read(signed_in))
        assert FaceList.objects.count() == 123

    def test_reading_again_changes_and_records_nothing(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        read(signed_in)
        before = list(FaceList.objects.order_by("pk").values("pk", "name", "archived"))
        read(signed_in)
        assert list(FaceList.objects.order_by("pk").values("pk", "name", "archived")) == before
        assert AuditEvent.objects.filter(action="lists.synced").count() == 1

    def test_reading_names_a_list_that_was_added_by_hand(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        persona_id = persona.add_list("Its name at Persona")
        FaceList.objects.create(environment="local", persona_id=persona_id, name="A guess")
        read(signed_in)
        assert FaceList.objects.get(persona_id=persona_id).name == "Its name at Persona"

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            ("unauthorized", "Token is invalid"),
            ("forbidden", "IP address is not permitted"),
            ("unavailable", "Service unavailable"),
            ("bad_gateway", "Persona is temporarily unavailable (502)"),
            ("rate_limited", "Nothing was changed."),
        ],
    )
    def test_failed_reading_shows_the_reason(
        self, fault: str, message: str, signed_in: Client, persona: LocalPersona
    ) -> None:
        persona.faults.inject(fault)
        text = words_of(read(signed_in))
        assert "Lists were not synced." in text
        assert message in text
        assert "Nothing was changed." in text
        assert not FaceList.objects.exists()

    def test_unreachable_persona_is_reported(self, signed_in: Client, settings: Settings) -> None:
        settings.PERSONA_BASE_URL = "http://127.0.0.1:1/api/v1"
        text = words_of(read(signed_in))
        assert "No connection to Persona could be made." in text
        assert Gateway.objects.get().problem == "unreachable"

    def test_used_up_share_prevents_reading(self, signed_in: Client, persona: LocalPersona) -> None:
        Gateway.objects.get_or_create(environment="local")
        Gateway.objects.update(rate_limit=2)
        share_is_used(1)
        text = words_of(read(signed_in))
        assert re.search(r"share of Persona's rate limit is used up. Try again in \d+ second", text)
        assert persona.requests() == []
        assert not FaceList.objects.exists()

    def test_key_is_sent_to_persona_but_shown_on_no_page(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        response = read(signed_in)
        (asked,) = persona.requests()
        assert (asked.method, asked.path.rpartition("/")[2]) == ("GET", "lists")
        assert asked.headers["authorization"] == f"Bearer {persona.key}"
        assert asked.headers["persona-version"] == "2025-12-08"
        assert persona.key not in response.content.decode()


class TestAdding:
    def test_confirmed_list_has_personas_name(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        persona_id = persona.add_list("Known fraud")
        response = add(signed_in, persona_id, "My own word")
        assert "Known fraud was added." in words_of(response)
        row = FaceList.objects.get()
        assert (row.persona_id, row.name, row.environment) == (persona_id, "Known fraud", "local")
        assert row.read_at is not None

    def test_unknown_list_is_refused_and_the_form_kept(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        response = add(signed_in, "lst_nobodyKnows", "Mine")
        assert response.status_code == 422
        assert "Persona has no list with this ID." in words_of(response)
        assert 'value="lst_nobodyKnows"' in response.content.decode()
        assert not FaceList.objects.exists()

    @pytest.mark.parametrize("fault", ["forbidden", "unauthorized", "unavailable", "unreachable"])
    def test_list_that_cannot_be_confirmed_is_added_with_a_warning(
        self, fault: str, signed_in: Client, persona: LocalPersona, settings: Settings
    ) -> None:
        persona_id = persona.add_list("Hidden")
        if fault == "unreachable":
            settings.PERSONA_BASE_URL = "http://127.0.0.1:1/api/v1"
        else:
            persona.faults.inject(fault)
        assert f"{persona_id} was added, but Persona could not confirm it" in words_of(
            add(signed_in, persona_id)
        )
        assert FaceList.objects.get().persona_id == persona_id

    def test_list_without_faces_is_refused(self, signed_in: Client, persona: LocalPersona) -> None:
        persona_id = persona.add_list("Addresses", kind="list/email-address")
        response = add(signed_in, persona_id, "typed")
        assert response.status_code == 422
        assert "it is not a face list" in words_of(response)
        assert f'value="{persona_id}"' in response.content.decode()
        assert not FaceList.objects.exists()

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            " ",
            "lst_../../etc",
            "lst_a b",
            "lst_<b>",
            "lst_a?x=1",
            "lst_é",
            "x" * 101,
            "lst_\n1",
        ],
    )
    def test_malformed_id_is_refused_without_a_request(
        self, typed: str, signed_in: Client, persona: LocalPersona
    ) -> None:
        response = add(signed_in, typed)
        assert response.status_code == 422
        assert response.context["form"].errors["persona_id"]
        assert "<b>" not in response.content.decode()
        assert persona.requests() == []
        assert not FaceList.objects.exists()

    def test_adding_a_list_twice_keeps_one(self, signed_in: Client, persona: LocalPersona) -> None:
        persona.faults.inject("forbidden", None, "GET /lists*")
        for _ in range(2):
            add(signed_in, "lst_nobodyKnows", "Mine")
        assert FaceList.objects.count() == 1
        assert AuditEvent.objects.filter(action="list.added").count() == 1

    def test_used_up_share_adds_a_list_unconfirmed(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        Gateway.objects.get_or_create(environment="local")
        Gateway.objects.update(rate_limit=2)
        rate_limit.reserve("local")
        assert "could not confirm it (Persona was not asked)" in words_of(add(signed_in, "lst_1"))
        assert persona.requests() == []
        assert FaceList.objects.get().persona_id == "lst_1"

    def test_archived_list_is_added_as_archived(
        self, signed_in: Client, persona: LocalPersona
    ) -> None:
        add(signed_in, persona.add_list("Old", archived=True))
        assert FaceList.objects.get().archived
