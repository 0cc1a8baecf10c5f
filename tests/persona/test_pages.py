"""Pages of lists and importers: what a page holds, and which page is next."""

from datetime import UTC, datetime

import pytest

from importers.local_persona import LocalPersona
from importers.persona import errors
from importers.persona.responses import PersonaList
from tests.support.persona_client import KEY, client_and_server, client_of, every_list
from tests.support.scripted_persona import importers, says


class TestLists:
    def test_lists_are_read_page_by_page(self) -> None:
        with LocalPersona(api_key=KEY, seed=False) as local:
            kinds = ["list/face", "list/name", "list/face", "list/undocumented", "list/face"]
            made = [
                (local.add_list(f"List {n}", archived=n % 7 == 0, kind=kinds[n % 5]), n)
                for n in range(250)
            ]
            found = every_list(client_of(local.url))
            requests = local.requests()
        assert found == [
            PersonaList(made_id, kinds[n % 5], f"List {n}", n % 7 == 0)
            for made_id, n in reversed(made)
        ]
        assert [(request.path, request.query["page[size]"]) for request in requests] == [
            ("/api/v1/lists", "100")
        ] * 3
        assert [request.query.get("page[after]") for request in requests] == [
            None,
            made[150][0],
            made[50][0],
        ]

    def test_first_page_of_lists_may_be_empty(self) -> None:
        with LocalPersona(api_key=KEY, seed=False) as local:
            assert client_of(local.url).lists_page() == ([], None)

    def test_empty_page_of_lists_is_the_last(self) -> None:
        body = {"data": [], "links": {"prev": None, "next": "/api/v1/lists?page%5Bafter%5D=x"}}
        with client_and_server(says("200 OK", body)) as (client, server):
            assert client.lists_page() == ([], None)
        assert len(server.requests) == 1

    def test_one_list_of_any_type_is_read(self, local: LocalPersona) -> None:
        other = local.add_list("Names", archived=True, kind="list/name")
        row = client_of(local.url).face_list(other)
        assert (row.id, row.type, row.name, row.archived) == (other, "list/name", "Names", True)


class TestImporters:
    def test_page_holds_importers_of_faces(self) -> None:
        kinds = ["importer/account", "importer/list-item/face", "importer/face", "importer/new"]
        with client_and_server(says("200 OK", importers(*kinds))) as (client, server):
            page = client.importers_page()
        assert [row.id for row in page.faces] == ["mprt_1", "mprt_2"]
        assert server.heads[0][0] == "GET /importers?page%5Bsize%5D=100 HTTP/1.1"

    def test_next_page_follows_the_last_row(self) -> None:
        body = importers("importer/face", "importer/account", next="/api/v1/importers?x")
        with client_and_server(says("200 OK", body)) as (client, server):
            page = client.importers_page("mprt_0")
        assert page.next == "mprt_1"
        assert server.heads[0][0] == (
            "GET /importers?page%5Bsize%5D=100&page%5Bafter%5D=mprt_0 HTTP/1.1"
        )

    def test_page_has_the_time_of_its_oldest_row(self) -> None:
        body = importers("importer/face", "importer/account")
        body["data"][1]["attributes"] = {"createdAt": "2026-07-01T00:00:00.000Z"}
        with client_and_server(says("200 OK", body)) as (client, _):
            assert client.importers_page().oldest == datetime(2026, 7, 1, tzinfo=UTC)

    def test_hidden_creation_time_is_none(self) -> None:
        body = importers("importer/face")
        body["data"][0]["attributes"] = {"status": "ready"}
        with client_and_server(says("200 OK", body)) as (client, _):
            page = client.importers_page()
        assert (page.oldest, page.faces[0].created_at) == (None, None)

    def test_empty_page_of_importers_is_the_last(self) -> None:
        with client_and_server(says("200 OK", importers(next="/api/v1/importers?x"))) as (
            client,
            _,
        ):
            assert client.importers_page() == ([], None, None)

    @pytest.mark.parametrize("left_out", ["data", "links"])
    def test_page_without_rows_or_links_is_unreadable(self, left_out: str) -> None:
        body = importers("importer/face")
        del body[left_out]
        with (
            client_and_server(says("200 OK", body)) as (client, _),
            pytest.raises(errors.Unreadable),
        ):
            client.importers_page()
