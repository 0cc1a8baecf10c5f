"""The page that finds records, and what a search leaves behind."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from importers.models import AuditEvent, Batch, Image, Import, Person
from importers.reporting.search import MOST
from tests.support.image_rows import add_rows
from tests.support.makers import MakeImports
from tests.support.pages import words_of
from tests.support.trail import actions

pytestmark = pytest.mark.django_db
NONE_WITH_THIS_HASH = "Consentry has no record of a file with this SHA-256."


def ask(client: Client, text: str = "", **fields: Any) -> Any:
    return client.post("/search/", {"text": text, **fields})


def searches() -> list[dict[str, Any]]:
    """The details of each search on record."""
    rows = AuditEvent.objects.filter(action="records.searched")
    return list(rows.values_list("details", flat=True))


def test_page_shows_an_empty_form_and_searches_nothing(signed_in: Client) -> None:
    response = signed_in.get("/search/?text=Jane+Doe")
    assert response.status_code == 200
    assert "Jane" not in response.content.decode()
    assert "No records found" not in words_of(response)
    assert searches() == []


def test_answer_links_to_the_record_and_the_import(signed_in: Client, submitted: Import) -> None:
    image = submitted.files.get(original_name="face-1.jpg")
    response = ask(signed_in, image.sha256)
    html, text = response.content.decode(), words_of(response)
    assert f'href="/images/{image.key}/record/"' in html
    assert f'href="/imports/{submitted.pk}/"' in html
    assert f"Searched for {image.sha256} (SHA-256)" in text
    assert "1 image File" in text
    assert f"face-1.jpg {image.sha256} SHA-256 Confirmed fraud" in text
    assert "Waiting to be sent" in text


def test_answer_names_who_searched_when_and_what_it_means(
    signed_in: Client, submitted: Import
) -> None:
    text = words_of(ask(signed_in, "face-1.jpg"))
    assert "This finds files, not people: another photo of the same person is another file." in text
    assert "Searched by Maya Okafor (account officer), on" in text
    assert re.search(r"on \d+ \w+ 20\d\d, \d\d:\d\d:\d\d UTC", text)


def test_answer_shows_no_face(signed_in: Client, submitted: Import) -> None:
    html = ask(signed_in, "face-1.jpg").content.decode()
    assert "thumbnail" not in html
    assert not {"face.viewed", "gallery.viewed"}.intersection(actions())


def test_counts_of_a_batch_are_those_of_all_its_images(
    signed_in: Client, submitted: Import
) -> None:
    counts = {"successful_count": 2, "duplicate_count": 1, "error_count": 0}
    Batch.objects.update(state="done", importer_id="mprt_A1", **counts)
    text = words_of(ask(signed_in, "mprt_A1"))
    assert "Of the 3 images in batch 1: 2 successful, 1 duplicate, 0 error" in text
    assert "1 Persona importer" in text


def test_rejected_and_destroyed_images_say_so(signed_in: Client, make_imports: MakeImports) -> None:
    (row,) = make_imports(1, state="canceled")
    add_rows(row, 1, Image.State.LEFT_OUT)
    assert "Rejected It is damaged." in words_of(ask(signed_in, "row-000.jpg"))
    Image.objects.update(reason="", state="accepted", destroyed_at="2026-11-03T10:00:00Z")
    assert "Canceled Destroyed on 3 Nov 2026" in words_of(ask(signed_in, "row-000.jpg"))


def test_signed_import_shows_its_attestation(
    signed_in: Client, submitted: Import, officer: Person
) -> None:
    text = words_of(ask(signed_in, lawful_basis="consent", jurisdiction="us-il"))
    assert "Jurisdiction Illinois (BIPA) Searched by" in text
    assert "Signed by Maya Okafor" in words_of(ask(signed_in, signed_by=officer.pk))
    assert "1 import Import List Signed" in text
    assert "Maya Okafor" in text.partition("Signed Basis")[2]
    assert "FR-2026-014" in text


@pytest.mark.parametrize(
    ("text", "kind"),
    [("face-1.jpg", "text"), ("Jane Doe", "text"), ("ab" * 32, "hash"), ("mprt_A1", "importer")],
)
def test_search_is_recorded_without_its_text(
    text: str, kind: str, signed_in: Client, submitted: Import, officer: Person
) -> None:
    ask(signed_in, text, signed_by=officer.pk)
    event = AuditEvent.objects.get(action="records.searched")
    assert (event.actor, event.address) == (officer, "127.0.0.1")
    hits = int(text == "face-1.jpg")
    filters = {"signed_by": str(officer.pk)}
    assert event.details == {"kind": kind, "filters": filters, "hits": hits}
    assert text not in json.dumps(list(AuditEvent.objects.values("details")))


def test_no_address_or_title_holds_the_text(signed_in: Client, submitted: Import) -> None:
    response = ask(signed_in, "face-1.jpg")
    html = response.content.decode()
    assert response.status_code == 200
    assert not re.search(r'(href|action|src)="[^"]*face-1', html)
    assert "face-1" not in html.partition("</title>")[0]
    for page in (html, signed_in.get("/").content.decode()):
        form = re.search(r'<form[^>]*action="/search/[^>]*>', page)
        assert form
        assert 'method="post"' in form[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Enter what to search for, or choose a filter."),
        (" \t ", "Enter what to search for, or choose a filter."),
        ("a" * 401, "Enter at most 400 characters."),
        ("a\x00b", "Remove the invisible NUL character from this text."),
    ],
)
def test_bad_text_gets_its_own_sentence(text: str, sentence: str, signed_in: Client) -> None:
    response = ask(signed_in, text)
    assert response.status_code == 422
    assert sentence in words_of(response)
    assert searches() == []


def test_longest_text_is_searched_for(signed_in: Client) -> None:
    assert ask(signed_in, "a" * 400).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [("lawful_basis", "whim"), ("jurisdiction", "us-xx"), ("signed_by", "9" * 40)],
)
def test_unknown_filter_is_refused(name: str, value: str, signed_in: Client) -> None:
    response = ask(signed_in, "a", **{name: value})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [name]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ab" * 32, NONE_WITH_THIS_HASH),
        ("5f0c9d1e-1111-4000-8000-000000000001.jpg", "no record of an image with this key"),
        ("mprt_A1", "No batch has this importer."),
        ("Jane Doe", "no reference is exactly this text, and no file name contains it"),
    ],
)
def test_nothing_found_says_what_that_means(text: str, sentence: str, signed_in: Client) -> None:
    answer = words_of(ask(signed_in, text))
    assert f"No records found Searched for {text} (" in answer
    assert sentence in answer


def test_filters_that_match_nothing_say_so(signed_in: Client) -> None:
    answer = words_of(ask(signed_in, lawful_basis="legal_claims"))
    assert "No signed import matches these filters." in answer


def test_more_than_is_shown_is_said(signed_in: Client, make_imports: MakeImports) -> None:
    (row,) = make_imports(1)
    add_rows(row, MOST)
    assert f"{MOST} images" in words_of(ask(signed_in, "row"))
    assert "More than" not in words_of(ask(signed_in, "row"))
    add_rows(make_imports(1)[0], 1)
    assert f"More than {MOST} images" in words_of(ask(signed_in, "row"))


def test_parts_of_names_are_offered_beside_an_exact_match(
    signed_in: Client, make_imports: MakeImports
) -> None:
    (row,) = make_imports(1)
    add_rows(row, 2)
    Image.objects.filter(original_name="row-000.jpg").update(case_reference="row")
    assert "Search for a part of a file name too" in words_of(ask(signed_in, "row"))
    answer = words_of(ask(signed_in, "row", with_parts="yes"))
    assert "2 images" in answer
    assert "Search for a part" not in answer


def test_names_are_escaped(signed_in: Client, make_imports: MakeImports) -> None:
    (row,) = make_imports(1)
    name = '<b>"\u202egpj.exe'
    row.files.create(original_name=name, byte_size=9, state="accepted", case_reference=name)
    html = ask(signed_in, name).content.decode()
    assert "<b>&quot;" not in html
    assert html.count("&lt;b&gt;&quot;\\u202egpj.exe") == 3
