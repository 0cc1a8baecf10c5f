"""Rows of a long history, written by the database itself: imports, batches, images without bytes.

The triggers that count stay off meanwhile; the rows bring their counts.
"""

import json
from typing import Any

from django.db.models import Field, Model

from importers.models import Attestation, Batch, FaceList, Image, Import
from tests.support.product import Product

IMAGES, BATCHES = 50, 2  # of each import
# The oldest twentieth of the images has one case, and a tenth of the older half has one name.
FREQUENT_CASE, FREQUENT_NAME = "C-FREQUENT", "face.jpg"
FIRST_AGE_SECONDS, STEP_SECONDS = 3600, 4
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
DIALECTS = {
    "sqlite": {
        "key": "lower(hex(randomblob(16)))",
        "hash": "lower(hex(randomblob(32)))",
        "before": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ({seconds}) || ' seconds')",
    },
    "postgresql": {
        "key": "gen_random_uuid()",
        "hash": "encode(sha256(gen_random_uuid()::text::bytea), 'hex')",
        "before": "now() - ({seconds}) * interval '1 second'",
    },
}
THE_LIST = "(SELECT max(id) FROM importers_facelist)"
THE_OFFICER = "(SELECT min(id) FROM importers_person)"
# Expressions of SQL over the number `i` of a row, by the field. Any other field has its default.
Values = dict[str, str]
LISTS: Values = {"environment": "'local'", "persona_id": "'lst_history'", "name": "'History'"}
IMPORTS: Values = {
    "id": "i",
    "face_list": THE_LIST,
    "created_by": THE_OFFICER,
    "created_at": "{before}",
    "state": "'completed'",
    "image_count": "50",
    "successful_count": "48",
    "duplicate_count": "2",
    "error_count": "0",
}
BATCH_ROWS: Values = {
    "id": "i",
    "face_import": "(i + 1) / 2",
    "number": "i % 2",
    "environment": "'local'",
    "image_count": "25",
    "state": "'done'",
    "attempts": "1",
    "fence": "1",
    "next_attempt_at": "{before}",
    "importer_id": "'impr_' || i",
    "persona_status": "'ready'",
    "successful_count": "24",
    "duplicate_count": "1",
    "error_count": "0",
    "accepted_at": "{before}",
    "finished_at": "{before}",
}
IMAGE_ROWS: Values = {
    "face_import": "(i + 49) / 50",
    "batch": "(i + 24) / 25",
    "key": "{key}",
    "original_name": f"CASE WHEN i % 10 = 0 AND i < {{rows}} / 2 THEN '{FREQUENT_NAME}'"
    " ELSE 'IMG_' || i || ' ' || substr('abcdefghijklmnop', i % 13, 4) || '.jpg' END",
    "sort_name": "'img ' || i",
    "byte_size": "250000",
    "sha256": "{hash}",
    "format": "'JPEG'",
    "width": "1024",
    "height": "1024",
    "state": "'accepted'",
    "storage_key": "'imports/' || i",
    "thumbnail_key": "'imports/t' || i",
    "uploaded_at": "{before}",
    "subject_reference": "'S-' || (i / 3)",
    "case_reference": f"CASE WHEN i < {{rows}} / 20 THEN '{FREQUENT_CASE}'"
    " WHEN i % 2 = 0 THEN 'C-' || (i / 500) ELSE '' END",
    "listing_reason": "'confirmed_fraud'",
}
ATTESTATIONS: Values = {
    "face_import": "i",
    "lawful_basis": "CASE WHEN i = 1 THEN 'legal_claims' ELSE 'consent' END",
    "jurisdictions": "'[\"us-tx\"]'",
    "image_source": "'own_capture'",
    "purpose": "'To recognise people.'",
    "term_ends_on": "'2027-01-01'",
    "evidence_reference": "'E-' || i",
    "adults_only": "TRUE",
    "evidence_kind": "'written_release'",
    "statement_version": "1",
    "statement_text": f"'{'I attest to what this says. ' * 60}'",
    "manifest_version": "2",
    "manifest_sha256": "{hash}",
    "image_count": "50",
    "environment": "'local'",
    "list_persona_id": "'lst_history'",
    "list_name": "'History'",
    "typed_name": "'Maya Okafor'",
    "signed_by": THE_OFFICER,
    "signed_by_username": "'officer'",
    "signed_at": "{before}",
    "signed_from": "'192.0.2.7'",
    "sign_in_method": "'password'",
    "needs_approval": "FALSE",
    "seal_version": "3",
    "seal": "{hash}",
}
# As PostgreSQL's autovacuum does within a minute.
VACUUM = "from django.db import connection; connection.cursor().execute('VACUUM ANALYZE')"


def write_history(installed: Product, imports: int) -> None:
    """Write completed imports, each of 50 images in two batches, the newest an hour ago."""
    dialect = DIALECTS[installed.vendor]
    statements = [
        _insert(FaceList, 1, 1, LISTS, dialect),
        _insert(Import, imports, 1, IMPORTS, dialect),
        _insert(Batch, imports, BATCHES, BATCH_ROWS, dialect),
        _insert(Image, imports, IMAGES, IMAGE_ROWS, dialect),
        _insert(Attestation, imports, 1, ATTESTATIONS, dialect),
    ]
    if installed.vendor == "postgresql":
        statements.insert(0, "SET session_replication_role = replica")
        statements += [
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
            for table in (model._meta.db_table for model in (FaceList, Import, Batch, Image))
        ]
    else:
        statements.insert(0, "DROP TRIGGER importers_image_added")
    installed.execute(*statements)
    if installed.vendor == "postgresql":
        installed.shell(VACUUM)
    installed.manage("migrate", "--verbosity", "0")  # creates the trigger again


def _insert(
    model: type[Model], imports: int, each: int, values: Values, dialect: dict[str, str]
) -> str:
    """Return a statement that writes `each` rows for each of the imports."""
    rows = imports * each
    seconds = f"{FIRST_AGE_SECONDS} + {STEP_SECONDS} * ({rows} - i) / {each}"
    parts = {"rows": str(rows), **dialect, "before": dialect["before"].format(seconds=seconds)}
    fields = [
        field
        for field in model._meta.concrete_fields
        if field.name in values or not field.primary_key
    ]
    columns = ", ".join(field.attname for field in fields)
    selected = ", ".join(
        values[field.name].format_map(parts) if field.name in values else _default(field)
        for field in fields
    )
    numbers = NUMBERS.format(rows=rows)
    return f"INSERT INTO {model._meta.db_table} ({columns}) {numbers} SELECT {selected} FROM n"  # noqa: S608


def _default(field: "Field[Any, Any]") -> str:
    value = field.get_default()
    if value is None or isinstance(value, bool | int):
        return "NULL" if value is None else str(value).upper()
    return f"'{value if isinstance(value, str) else json.dumps(value)}'"
