"""How the databases carry out a search: by indexes, and no further than the answer needs."""

from typing import Any

import pytest
from django.db import connection
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from importers.audit.actors import Actor
from importers.models import Attestation, Batch, Image, Import
from importers.reporting.search import Query, search
from tests.support.attestations import sign
from tests.support.image_rows import add_rows
from tests.support.makers import MakeImports

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
ROWS = 1_000
ON_SQLITE = connection.vendor == "sqlite"
WHOLE_TABLE = ("SCAN importers_image", "SCAN importers_import", "Seq Scan on importers_")


@pytest.fixture
def wanted(make_imports: MakeImports, actor: Actor) -> Image:
    """A signed image with a value of each kind, and as many others as make an index worthwhile."""
    wanted, other, *more = make_imports(ROWS)
    add_rows(other, ROWS)
    batch = Batch.objects.create(face_import=wanted, number=1, image_count=1, importer_id="mprt_w")
    values: dict[str, Any] = {"subject_reference": "S-1", "case_reference": "C-1", "batch": batch}
    Image.objects.update(subject_reference="S-2", case_reference="C-2")
    image = wanted.files.create(
        original_name="a.jpg", sha256="ab" * 32, byte_size=9, state="accepted", **values
    )
    signed = sign(wanted, actor, evidence_reference="E-1")
    answers = model_to_dict(
        signed, exclude=["id", "face_import", "evidence_reference", "signed_by"]
    )
    Attestation.objects.bulk_create(
        Attestation(
            face_import=row, evidence_reference=f"F-{row.pk}", signed_by=actor.user, **answers
        )
        for row in more
    )
    Batch.objects.bulk_create(
        Batch(face_import=other, number=number, image_count=1, importer_id=f"mprt_{number}")
        for number in range(ROWS)
    )
    return image


def plans(text: str) -> dict[str, str]:
    """Each query of a search, and how it is carried out."""
    with CaptureQueriesContext(connection) as queries:
        assert search(Import.objects.all(), Query(text)).hits
    explain = "EXPLAIN QUERY PLAN" if ON_SQLITE else "EXPLAIN"
    with connection.cursor() as cursor:
        if not ON_SQLITE:  # so few rows it would rather read and sort
            cursor.execute("ANALYZE")
            for step in ("seqscan", "sort", "incremental_sort"):
                cursor.execute(f"SET LOCAL enable_{step} = off")
        found = {}
        for sql in (query["sql"] for query in queries.captured_queries):
            cursor.execute(f"{explain} {sql}")
            found[sql] = "\n".join(str(row[-1]) for row in cursor.fetchall())
        return found


def test_exact_search_uses_an_index(wanted: Image) -> None:
    indexes = {
        wanted.sha256: "image_sha256",
        str(wanted.key): "importers_image",
        "mprt_w": "importer_claimed_once",
        "S-1": "image_subject",
        "C-1": "image_case",
        "a.jpg": "image_name",
        "E-1": "attestation_evidence",
    }
    for text, index in indexes.items():
        found = plans(text).values()
        assert any(index in plan for plan in found), text
        assert [(text, plan) for plan in found for table in WHOLE_TABLE if table in plan] == []


def test_frequent_match_is_not_sorted(wanted: Image) -> None:
    """Fifty images are read in the order of an index, however many more there are."""
    keys = 'SELECT "importers_image"."id"'
    for text in ("C-2", "row-"):
        found = [
            plan for sql, plan in plans(text).items() if sql.startswith(keys) and "LIMIT" in sql
        ]
        assert len(found) > 1, text
        assert [(text, plan) for plan in found if "TEMP B-TREE" in plan or "Sort" in plan] == []
