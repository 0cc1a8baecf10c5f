"""Rows of a long history, written by the database itself: imports, batches, images without bytes.

The triggers that count stay off meanwhile; the rows bring their counts.
"""

from tests.support.product import Product

IMAGES, BATCHES = 50, 2  # of each import
# The oldest twentieth of the images has one case, and a tenth of the older half has one name.
FREQUENT_CASE, FREQUENT_NAME = "C-FREQUENT", "face.jpg"
FIRST_AGE_SECONDS, STEP_SECONDS = 3600, 4
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
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
SHARED = {
    "case": FREQUENT_CASE,
    "name": FREQUENT_NAME,
    "statement": "I attest to what this says. " * 60,
}
# As PostgreSQL's autovacuum does within a minute.
VACUUM = "from django.db import connection; connection.cursor().execute('VACUUM ANALYZE')"
LISTS = """
INSERT INTO importers_facelist (environment, persona_id, name, archived, problem, refusals)
VALUES ('local', 'lst_history', 'History', FALSE, '', 0)
"""
IMPORTS = """
INSERT INTO importers_import (id, face_list_id, created_by_id, created_at, state, revision,
    image_count, left_out_count, successful_count, duplicate_count, error_count, mode,
    draft_answers)
{count} SELECT i, (SELECT max(id) FROM importers_facelist), (SELECT min(id) FROM auth_user),
    {before}, 'completed', 0, 50, 0, 48, 1, 1, 'bulk', '{{}}' FROM n
"""
BATCHES_SQL = """
INSERT INTO importers_batch (id, number, environment, image_count, state, attempts,
    next_attempt_at, lease_owner, fence, may_have_arrived, recover_first, candidates, importer_id,
    importer_among, persona_status, successful_count, duplicate_count, error_count, accepted_at,
    finished_at, problem, problem_detail, acknowledged_by, acknowledgement, face_import_id)
{count} SELECT i, i % 2, 'local', 25, 'done', 1, {before}, '', 1, FALSE, FALSE, '[]', 'impr_' || i,
    '[]', 'ready', 24, 1, 0, {before}, {before}, '', '', '', '', (i + 1) / 2 FROM n
"""
IMAGES_SQL = """
INSERT INTO importers_image (key, original_name, sort_name, byte_size, sha256, format, width,
    height, state, reason, explanation, storage_key, thumbnail_key, uploaded_at, subject_reference,
    case_reference, listing_reason, note, included_because, batch_id, face_import_id)
{count} SELECT {key}, CASE WHEN i % 10 = 0 AND i < {rows} / 2 THEN '{name}'
        ELSE 'IMG_' || i || ' ' || substr('abcdefghijklmnop', i % 13, 4) || '.jpg' END,
    'img ' || i, 250000,
    {hash}, 'JPEG', 1024, 1024, 'accepted', '', '', 'imports/' || i, 'imports/t' || i,
    {before}, 'S-' || (i / 3),
    CASE WHEN i < {rows} / 20 THEN '{case}' WHEN i % 2 = 0 THEN 'C-' || (i / 500) ELSE '' END,
    'confirmed_fraud', '', '', (i + 24) / 25, (i + 49) / 50 FROM n
"""
ATTESTATIONS = """
INSERT INTO importers_attestation (face_import_id, lawful_basis, jurisdictions, image_source,
    purpose, term_ends_on, evidence_reference, adults_only, evidence_kind, notice_version,
    withdrawal_route, law, decided_by, assessment_reference, not_informed_reason,
    article_6_ground, article_9_ground, warnings, statement_version, statement_text,
    manifest_version, manifest_sha256, image_count, environment, list_persona_id, list_name,
    typed_name, signed_by_id, signed_by_username, signed_at, signed_from, sign_in_method,
    seal_version, seal)
{count} SELECT i, CASE WHEN i = 1 THEN 'legal_claims' ELSE 'consent' END, '["us-tx"]',
    'own_capture', 'To recognise people.', '2027-01-01', 'E-' || i, TRUE, 'written_release', '1',
    'By mail.', '', '', '', '', '', '', '[]', 1, '{statement}', 2, {hash}, 50, 'local',
    'lst_history', 'History', 'Maya Okafor', (SELECT min(id) FROM auth_user), 'officer', {before},
    '192.0.2.7', 'password', 2, {hash} FROM n
"""


def write_history(installed: Product, imports: int) -> None:
    """Write completed imports, each of 50 images in two batches, the newest an hour ago."""
    statements = [LISTS]
    templates = ((IMPORTS, 1), (BATCHES_SQL, BATCHES), (IMAGES_SQL, IMAGES), (ATTESTATIONS, 1))
    for template, each in templates:
        rows = imports * each
        dialect = DIALECTS[installed.vendor]
        seconds = f"{FIRST_AGE_SECONDS} + {STEP_SECONDS} * ({rows} - i) / {each}"
        before = dialect["before"].format(seconds=seconds)
        parts = dialect | {"count": COUNT.format(rows), "before": before, "rows": rows}
        statements.append(template.format(**parts, **SHARED))
    if installed.vendor == "postgresql":
        tables = ("facelist", "import", "batch", "image")
        statements.insert(0, "SET session_replication_role = replica")
        statements += [
            f"SELECT setval(pg_get_serial_sequence('importers_{table}', 'id'), max(id)) "  # noqa: S608
            f"FROM importers_{table}"
            for table in tables
        ]
    else:
        statements.insert(0, "DROP TRIGGER importers_image_added")
    installed.execute(*statements)
    if installed.vendor == "postgresql":
        installed.shell(VACUUM)
    installed.manage("migrate", "--verbosity", "0")  # creates the trigger again
