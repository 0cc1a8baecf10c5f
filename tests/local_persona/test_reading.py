"""Importers and lists, one by one and page by page."""

from collections.abc import Iterator

import pytest

from importers.local_persona import LocalPersona
from tests.support.local_persona import Caller, SetClock, errors, picture, title

NOT_FOUND = (404, [{"title": "Record not found"}])


@pytest.fixture
def newest_first() -> Iterator[tuple[Caller, list[str]]]:
    """A client of a Local Persona with 25 lists, and their ids."""
    with LocalPersona(seed=False) as persona, Caller(persona) as client:
        made = [persona.add_list(f"List {number}") for number in range(25)]
        yield client, made[::-1]


def test_unknown_importer_is_not_found(client: Caller) -> None:
    assert errors(client.get("importers/mprt_none")) == NOT_FOUND


def test_importers_come_newest_first(client: Caller, fraud: str) -> None:
    made = [client.send_faces(fraud, picture(n)).json()["data"]["id"] for n in range(3)]
    index = client.get("importers").json()
    assert [importer["id"] for importer in index["data"]] == made[::-1]
    assert [i["attributes"]["successful-count"] for i in index["data"]] == [1, 1, 1]
    assert index["links"] == {"prev": None, "next": None}


def test_page_has_ten_records_by_default(newest_first: tuple[Caller, list[str]]) -> None:
    client, ids = newest_first
    page = client.get("lists").json()
    assert [row["id"] for row in page["data"]] == ids[:10]
    following = f"/api/v1/lists?page%5Bafter%5D={ids[9]}"
    assert page["links"] == {"prev": None, "next": following}


def test_links_lead_to_the_last_page(newest_first: tuple[Caller, list[str]]) -> None:
    client, ids = newest_first
    host = client.persona.url.removesuffix("/api/v1")
    pages = [client.get("lists?page[size]=9").json()]
    while pages[-1]["links"]["next"]:
        pages.append(client.get(host + pages[-1]["links"]["next"]).json())
    assert [row["id"] for page in pages for row in page["data"]] == ids
    assert [len(page["data"]) for page in pages] == [9, 9, 7]


def test_page_may_have_a_hundred_records(newest_first: tuple[Caller, list[str]]) -> None:
    client, ids = newest_first
    page = client.get("lists", params={"page[size]": 100}).json()
    assert [row["id"] for row in page["data"]] == ids


@pytest.mark.parametrize(
    "query", ["page[size]=0", "page[size]=101", "page[size]=x", "page[after]=lst_x"]
)
def test_impossible_page_is_a_bad_request(client: Caller, query: str) -> None:
    assert title(client.get(f"lists?{query}")) == (400, "Bad Request")


def test_new_store_has_lists_to_try(client: Caller) -> None:
    seen = client.get("lists").json()["data"]
    assert [
        (row["attributes"]["name"], row["type"], row["attributes"]["status"]) for row in seen
    ] == [
        ("Confirmed fraud", "list/face", "active"),
        ("Watch list", "list/face", "active"),
        ("Old watch list", "list/face", "archived"),
        ("Blocked email addresses", "list/email-address", "active"),
    ]


def test_store_can_start_empty() -> None:
    with LocalPersona(seed=False) as persona, Caller(persona) as client:
        empty = {"data": [], "links": {"prev": None, "next": None}}
        assert client.get("lists").json() == empty


def test_list_is_retrieved(client: Caller, fraud: str) -> None:
    assert client.get(f"lists/{fraud}").json() == {
        "data": {
            "type": "list/face",
            "id": fraud,
            "attributes": {
                "name": "Fraud",
                "status": "active",
                "archived-at": None,
                "created-at": "2027-01-15T08:00:00.000Z",
                "updated-at": "2027-01-15T08:00:00.000Z",
            },
            "relationships": {"list-items": {"data": []}},
        }
    }


def test_deleted_list_is_archived(client: Caller, clock: SetClock, fraud: str) -> None:
    clock.now += 1
    archived = client.delete(f"lists/{fraud}")
    attributes = archived.json()["data"]["attributes"]
    assert (archived.status_code, attributes["status"]) == (200, "archived")
    assert attributes["archived-at"] == "2027-01-15T08:00:01.000Z"
    assert client.get(f"lists/{fraud}").json() == archived.json()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "importers/list-item/faces"),
        ("POST", "importer/list-items/faces"),
        ("POST", "importer/list-item/face"),
        ("GET", "importer"),
        ("GET", "importer/mprt_x"),
        ("POST", "lists"),
        ("GET", "list"),
        ("GET", "lists/"),
        ("DELETE", "lists/lst_x"),
        ("DELETE", "importers/mprt_x"),
    ],
)
def test_path_that_does_not_exist_is_not_found(client: Caller, method: str, path: str) -> None:
    assert errors(client.request(method, path)) == NOT_FOUND
