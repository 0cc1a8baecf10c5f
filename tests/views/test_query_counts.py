"""The number of database queries of a page does not grow with its rows."""

from functools import partial
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from importers.audit.actors import Actor
from importers.models import Batch, FaceList, Image, Import, Person
from importers.vault import viewing
from tests.support.attestations import kept, submit
from tests.support.image_rows import add_mixed_rows
from tests.support.makers import MakeDraft, MakeImports

pytestmark = pytest.mark.django_db


def count_queries(client: Client, path: str, posted: dict[str, str] | None = None) -> int:
    ask: Any = partial(client.post, path, posted) if posted else partial(client.get, path)
    ask()
    with CaptureQueriesContext(database) as queries:
        response = ask()
        if response.streaming:
            b"".join(response.streaming_content)
    assert response.status_code == 200
    return len(queries)


@pytest.mark.parametrize("path", ["/", "/imports.csv", "/?state=draft&before=999999"])
def test_history_queries_do_not_grow_with_imports(
    path: str, signed_in: Client, make_imports: MakeImports
) -> None:
    make_imports(5)
    few = count_queries(signed_in, path)
    people = Person.objects.bulk_create(Person(username=f"person {n}") for n in range(195))
    lists = FaceList.objects.bulk_create(
        FaceList(environment="local", persona_id=f"lst_{n}") for n in range(195)
    )
    rows = Import.objects.bulk_create(
        Import(created_by=person, face_list=face_list)
        for person, face_list in zip(people, lists, strict=True)
    )
    Batch.objects.bulk_create(Batch(face_import=row, number=1, image_count=1) for row in rows)
    Image.objects.bulk_create(
        Image(face_import=row, original_name="a.jpg", byte_size=1, state="accepted") for row in rows
    )
    assert count_queries(signed_in, path) == few <= 12


@pytest.mark.parametrize("state", ["draft", "forwarding", "completed", "canceled"])
def test_import_page_queries_do_not_grow_with_images(
    state: str, signed_in: Client, make_imports: MakeImports
) -> None:
    small, large = make_imports(2, state=state)
    add_mixed_rows(small, 10)
    add_mixed_rows(large, 500)
    few = count_queries(signed_in, f"/imports/{small.pk}/")
    assert count_queries(signed_in, f"/imports/{large.pk}/") == few <= 21


@pytest.mark.parametrize(
    "page",
    ["", "record/", "record/?all=yes", "attestation.json", "manifest.txt", "images.csv"],
)
def test_record_queries_do_not_grow_with_images(
    page: str, signed_in: Client, make_draft: MakeDraft, face_list: FaceList, actor: Actor
) -> None:
    another = FaceList.objects.create(environment="local", persona_id="lst_another")
    small, large = make_draft(face_list, 0), make_draft(another, 0)
    add_mixed_rows(small, 10)
    add_mixed_rows(large, 900)
    submit(small, actor)
    submit(large, actor)
    few = count_queries(signed_in, f"/imports/{small.pk}/{page}")
    assert count_queries(signed_in, f"/imports/{large.pk}/{page}") == few <= 20


def test_image_record_queries_do_not_grow_with_images_or_views(
    signed_in: Client, make_draft: MakeDraft, face_list: FaceList, actor: Actor
) -> None:
    draft = make_draft(face_list, 1)
    face = draft.files.get()
    few = count_queries(signed_in, f"/images/{face.key}/record/")
    add_mixed_rows(draft, 500)
    for number in range(50):
        person = Person.objects.create_user(f"person {number}")
        other = Actor.of_user(person, address="192.0.2.7", sign_in_method="password")
        viewing.show_gallery(draft, [face], other)
        viewing.show_thumbnail(face, other)
    assert count_queries(signed_in, f"/images/{face.key}/record/") == few <= 15


def test_review_queries_do_not_grow_with_images(
    signed_in: Client, make_imports: MakeImports
) -> None:
    small, large = make_imports(2, draft_answers=kept())
    add_mixed_rows(small, 10)
    add_mixed_rows(large, 500)
    few = count_queries(signed_in, f"/imports/{small.pk}/attest/")
    assert count_queries(signed_in, f"/imports/{large.pk}/attest/") == few <= 28


def test_contents_queries_do_not_grow_with_images(
    signed_in: Client, make_imports: MakeImports
) -> None:
    small, large = make_imports(2)
    add_mixed_rows(small, 10)
    add_mixed_rows(large, 500)
    few = count_queries(signed_in, f"/imports/{small.pk}/contents/")
    assert count_queries(signed_in, f"/imports/{large.pk}/contents/") == few <= 17


def test_lists_page_queries_do_not_grow_with_lists(
    signed_in: Client, make_imports: MakeImports
) -> None:
    make_imports(3)
    few = count_queries(signed_in, "/lists/")
    FaceList.objects.bulk_create(
        FaceList(environment="local", persona_id=f"lst_{n}", name=f"{n}") for n in range(200)
    )
    assert count_queries(signed_in, "/lists/") == few <= 8


@pytest.mark.parametrize("text", ["row", "C-1"])
def test_search_queries_do_not_grow_with_what_is_found(
    text: str, signed_in: Client, make_imports: MakeImports
) -> None:
    for row in make_imports(2):
        add_mixed_rows(row, 2)
    Image.objects.update(case_reference="C-1")
    few = count_queries(signed_in, "/search/", {"text": text})
    for row in make_imports(20):
        add_mixed_rows(row, 20)
    Image.objects.update(case_reference="C-1")
    assert count_queries(signed_in, "/search/", {"text": text}) == few <= 24
