"""Requests that fail before a view answers or while it does, and bodies that nobody may send."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import pytest
from django.conf import settings as project
from django.db import connection as database
from django.db import connections
from django.test import Client

from importers.models import AuditEvent, Image, Import, Person
from tests.support.pages import upload, words_of
from tests.support.pictures import draw
from tests.support.stored_files import stored_files
from tests.support.trail import breaks

FORM = "application/x-www-form-urlencoded"


class Unread:
    """The body of a request. Reading it fails, as when the client goes away or is too slow."""

    def read(self, *_: object) -> NoReturn:
        raise OSError("The body was read.")

    readline = read


def post(client: Client, path: str, length: int) -> Any:
    body = {"wsgi.input": Unread(), "CONTENT_LENGTH": str(length), "CONTENT_TYPE": FORM}
    client.raise_request_exception = False
    return client.post(path, **body)  # type: ignore[arg-type]


@pytest.mark.django_db
class TestBodies:
    @pytest.mark.parametrize(
        ("path", "status"),
        [("/imports/1/files/", 302), ("/lists/add/", 302), ("/nowhere/", 404), ("/people/1/", 302)],
    )
    def test_body_of_a_stranger_is_not_read(self, path: str, status: int, client: Client) -> None:
        assert post(client, path, 100).status_code == status

    @pytest.mark.parametrize("path", ["/account/login/", "/account/signup/"])
    def test_large_body_of_a_stranger_is_refused_unread(self, path: str, client: Client) -> None:
        answer = post(client, path, project.STRANGER_BODY_MAX_BYTES + 1)
        assert (answer.status_code, answer.content) == (413, b"The request is too large.\n")

    def test_body_that_ends_early_is_a_bad_request(self, signed_in: Client) -> None:
        answer = post(signed_in, "/imports/new/", 100_000)
        assert (answer.status_code, answer.content) == (400, b"The request was incomplete.\n")


@pytest.fixture
def locked_database() -> Iterator[None]:
    """Another process writes to SQLite for longer than we wait."""
    with closing(sqlite3.connect(database.settings_dict["NAME"])) as other:
        database.cursor().execute("PRAGMA busy_timeout = 50")
        other.execute("BEGIN IMMEDIATE")
        yield
    connections.close_all()  # and with it the short wait


@pytest.mark.django_db(transaction=True)
def test_upload_to_a_locked_database_is_answered_503_and_stores_nothing(
    signed_in: Client, draft: Import, media: Path, request: pytest.FixtureRequest
) -> None:
    rows, events = Image.objects.count(), AuditEvent.objects.count()
    stored = stored_files(media)
    signed_in.raise_request_exception = False
    request.getfixturevalue("locked_database")
    answer = upload(signed_in, draft, "face.jpg", draw(9))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "Temporarily unavailable" in words_of(answer)
    assert (Image.objects.count(), AuditEvent.objects.count()) == (rows, events)
    assert stored_files(media) == stored


@pytest.mark.django_db(transaction=True)
def test_full_database_is_answered_503_and_mends_itself(
    signed_in: Client, draft: Import, media: Path
) -> None:
    signed_in.raise_request_exception = False
    database.cursor().execute("VACUUM")  # no page is left from other tests
    used = pragma("page_count")
    pragma(f"max_page_count = {used}")  # SQLite then reports the same as on a full disk
    answers = (upload(signed_in, draft, f"{n}.jpg", draw(10 + n)) for n in range(60))
    refused = next(answer for answer in answers if answer.status_code != 200)
    rows = Image.objects.count()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert len(stored_files(media)) == 2 * rows, "each image has a thumbnail"
    pragma(f"max_page_count = {used + 1_000}")
    assert upload(signed_in, draft, "last.jpg", draw(99)).status_code == 200
    assert Image.objects.count() == rows + 1
    assert len(stored_files(media)) == 2 * (rows + 1)
    assert pragma("integrity_check") == "ok"
    assert breaks() == []


def pragma(statement: str) -> Any:
    with database.cursor() as cursor:
        return cursor.execute(f"PRAGMA {statement}").fetchone()[0]


@pytest.mark.django_db
def test_fault_page_names_no_cause(
    signed_in: Client, officer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.raise_request_exception = False
    monkeypatch.setattr("importers.views.imports.HistoryForm", None)
    answer = signed_in.get("/")
    assert answer.status_code == 500
    assert "This is an error in Consentry" in words_of(answer)
    assert "NoneType" not in answer.content.decode()
