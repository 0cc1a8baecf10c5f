"""Django's admin at /tables/: only if TABLES_PAGE turns it on, and to read only."""

import importlib
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import clear_url_caches
from pytest_django import Settings

import config.urls
import importers.urls
from importers.access.roles import assign
from importers.models import Batch, Exchange, Import, Person, Role
from tests.support.pages import words_of

pytestmark = pytest.mark.django_db
PAGES = ("", "importers/exchange/", "importers/batch/")


def build_urls() -> None:
    """The setting is read when the addresses are built."""
    importlib.reload(importers.urls)
    importlib.reload(config.urls)
    clear_url_caches()


@pytest.fixture
def tables(settings: Settings) -> Iterator[None]:
    settings.TABLES_PAGE = True
    build_urls()
    yield
    settings.TABLES_PAGE = False
    build_urls()


@pytest.fixture
def administrator(signed_in: Client, officer: Person) -> Client:
    assign(officer, [Role.ADMINISTRATOR])
    return signed_in


def test_tables_are_absent_by_default(administrator: Client) -> None:
    assert administrator.get("/tables/").status_code == 404


def test_administrator_reads_tables_and_changes_nothing(
    tables: None, administrator: Client, draft: Import
) -> None:
    row = Batch.objects.create(face_import=draft, number=1, image_count=1)
    Exchange.objects.create(environment="local", method="GET", path="/lists")
    assert "Consentry tables" in words_of(administrator.get("/tables/"))
    for page in (*PAGES, f"importers/batch/{row.pk}/change/"):
        assert administrator.get(f"/tables/{page}").status_code == 200
    one = f"/tables/importers/batch/{row.pk}"
    for changing in (f"{one}/change/", f"{one}/delete/", "/tables/importers/batch/add/"):
        assert administrator.post(changing, {"state": "done", "post": "yes"}).status_code == 403
    assert Batch.objects.get().state == "queued"


def test_officer_may_not_read_tables(tables: None, signed_in: Client) -> None:
    for page in PAGES:
        assert signed_in.get(f"/tables/{page}").status_code == 403


def test_stranger_is_sent_to_the_sign_in(tables: None, client: Client) -> None:
    assert client.get("/tables/").headers["Location"] == "/account/login/?next=/tables/"
