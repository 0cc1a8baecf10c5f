"""The number of database queries of a page does not grow with its rows."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from importers.models import Batch, FaceList, Image, Import
from tests.support.image_rows import add_mixed_rows
from tests.support.makers import MakeImports

pytestmark = pytest.mark.django_db


def count_queries(client: Client, path: str) -> int:
    client.get(path)
    with CaptureQueriesContext(database) as queries:
        response: Any = client.get(path)
        if response.streaming:
            b"".join(response.streaming_content)
    assert response.status_code == 200
    return len(queries)


@pytest.mark.parametrize("path", ["/", "/imports.csv", "/?q=jpg", "/?state=draft&before=999999"])
def test_history_queries_do_not_grow_with_imports(
    path: str, signed_in: Client, make_imports: MakeImports
) -> None:
    make_imports(5)
    few = count_queries(signed_in, path)
    people = User.objects.bulk_create(User(username=f"person {n}") for n in range(195))
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
    assert count_queries(signed_in, f"/imports/{large.pk}/") == few <= 16


def test_contents_queries_do_not_grow_with_images(
    signed_in: Client, make_imports: MakeImports
) -> None:
    small, large = make_imports(2)
    add_mixed_rows(small, 10)
    add_mixed_rows(large, 500)
    few = count_queries(signed_in, f"/imports/{small.pk}/contents/")
    assert count_queries(signed_in, f"/imports/{large.pk}/contents/") == few <= 12


def test_lists_page_queries_do_not_grow_with_lists(
    signed_in: Client, make_imports: MakeImports
) -> None:
    make_imports(3)
    few = count_queries(signed_in, "/lists/")
    FaceList.objects.bulk_create(
        FaceList(environment="local", persona_id=f"lst_{n}", name=f"{n}") for n in range(200)
    )
    assert count_queries(signed_in, "/lists/") == few <= 8
