"""Searching the history by what an auditor holds of a face."""

import pytest
from django.db import connection

from importers.models import Batch, Image, Import
from importers.reporting.search import narrow
from tests.support.image_rows import add_rows
from tests.support.makers import MakeImports

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
HASH, NAME = "ab" * 32, 'Zoë "Z" Meyer.jpg'
ROWS = 1_000


@pytest.fixture
def wanted(make_imports: MakeImports) -> Import:
    """One of three imports. The others hold an image without a hash and a batch without an ID."""
    other, wanted, third = make_imports(3)
    for row, name, sha256 in ((wanted, NAME, HASH), (other, "b.jpg", ""), (third, f"a {NAME}", "")):
        state = Image.State.ACCEPTED if sha256 else Image.State.LEFT_OUT
        reason = "" if sha256 else "damaged"
        row.files.create(original_name=name, sha256=sha256, byte_size=9, state=state, reason=reason)
    Batch.objects.create(face_import=wanted, number=1, image_count=1, importer_id="mprt_Q1w2")
    Batch.objects.create(face_import=other, number=1, image_count=1)
    return wanted


def key_of(wanted: Import) -> str:
    return str(wanted.files.get().key)


@pytest.mark.parametrize(
    "kind", ["hash", "hash in capitals", "key", "importer", "whole name", "name in small letters"]
)
def test_import_is_found_by_each_property(kind: str, wanted: Import) -> None:
    text = {
        "hash": HASH,
        "hash in capitals": HASH.upper(),
        "key": key_of(wanted),
        "importer": "mprt_Q1w2",
        "whole name": f'"{NAME}"',
        "name in small letters": '"z" meyer',
    }[kind]
    found = list(narrow(Import.objects.all(), text))
    by_part = [Import.objects.latest("pk")] if kind == "name in small letters" else []
    assert found == [*by_part, wanted]


@pytest.mark.parametrize(
    "text", ["cd" * 32, "0b7c9d1e-0000-4000-8000-000000000000", "mprt_Q1w", '"Meyer.jpg"', '""']
)
def test_nothing_else_is_found(text: str, wanted: Import) -> None:
    assert not narrow(Import.objects.all(), text).exists()


@pytest.mark.parametrize(
    ("text", "index"),
    [
        (HASH, "image_sha256"),
        ("mprt_Q1w2", "importer_claimed_once"),
        (f'"{NAME}"', "image_name"),
        ("key", "importers_image"),
    ],
)
def test_exact_search_reads_an_index(text: str, index: str, wanted: Import) -> None:
    searched = narrow(Import.objects.all(), key_of(wanted) if text == "key" else text)
    other = Import.objects.exclude(pk=wanted.pk).latest("pk")
    add_rows(other, ROWS)
    Batch.objects.bulk_create(
        Batch(face_import=other, number=number, image_count=1, importer_id=f"mprt_{number}")
        for number in range(ROWS)
    )
    if connection.vendor == "postgresql":  # which decides by the number of rows
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            cursor.execute("SET LOCAL enable_seqscan = off")  # for the few imports
    plan = searched.explain()
    assert index in plan
    assert "SCAN" not in plan
    assert "Seq Scan" not in plan
