"""Rows of a long history, written by the database itself: imports, batches, images without bytes.

The triggers that count stay off meanwhile; the rows bring their counts.
"""

from tests.support.product import Product

IMAGES, BATCHES = 50, 2  # of each import
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
LISTS = """
INSERT INTO importers_facelist (environment, persona_id, name, archived, problem, refusals)
VALUES ('local', 'lst_history', 'History', FALSE, '', 0)
"""
IMPORTS = """
INSERT INTO importers_import (id, face_list_id, created_by_id, created_at, state, revision,
    image_count, left_out_count, successful_count, duplicate_count, error_count)
{count} SELECT i, (SELECT max(id) FROM importers_facelist), (SELECT min(id) FROM auth_user),
    {before}, 'completed', 0, 50, 0, 48, 1, 1 FROM n
"""
BATCHES_SQL = """
INSERT INTO importers_batch (id, number, environment, image_count, state, attempts,
    next_attempt_at, lease_owner, fence, may_have_arrived, recover_first, candidates, importer_id,
    importer_among, persona_status, successful_count, duplicate_count, error_count, accepted_at,
    finished_at, problem, problem_detail, face_import_id)
{count} SELECT i, i % 2, 'local', 25, 'done', 1, {before}, '', 1, FALSE, FALSE, '[]', 'impr_' || i,
    '[]', 'ready', 24, 1, 0, {before}, {before}, '', '', (i + 1) / 2 FROM n
"""
IMAGES_SQL = """
INSERT INTO importers_image (key, original_name, byte_size, sha256, format, width, height, state,
    reason, explanation, storage_key, thumbnail_key, uploaded_at, batch_id, face_import_id)
{count} SELECT {key}, 'IMG_' || i || ' ' || substr('abcdefghijklmnop', i % 13, 4) || '.jpg', 250000,
    {hash}, 'JPEG', 1024, 1024, 'accepted', '', '', 'imports/' || i, 'imports/t' || i,
    {before}, (i + 24) / 25, (i + 49) / 50 FROM n
"""


def write_history(installed: Product, imports: int) -> None:
    """Write completed imports, each of 50 images in two batches, the newest an hour ago."""
    statements = [LISTS]
    for template, each in ((IMPORTS, 1), (BATCHES_SQL, BATCHES), (IMAGES_SQL, IMAGES)):
        rows = imports * each
        dialect = DIALECTS[installed.vendor]
        seconds = f"{FIRST_AGE_SECONDS} + {STEP_SECONDS} * ({rows} - i) / {each}"
        before = dialect["before"].format(seconds=seconds)
        parts = dialect | {"count": COUNT.format(rows), "before": before}
        statements.append(template.format(**parts))
    if installed.vendor == "postgresql":
        tables = ("facelist", "import", "batch", "image")
        statements.insert(0, "SET session_replication_role = replica")
        statements += [
            f"SELECT setval(pg_get_serial_sequence('importers_{table}', 'id'), max(id)) "  # noqa: S608
            f"FROM importers_{table}"
            for table in tables
        ]
        statements += ["ANALYZE"]  # as its autovacuum does within a minute
    else:
        statements.insert(0, "DROP TRIGGER importers_image_added")
    installed.execute(*statements)
    installed.manage("migrate", "--verbosity", "0")  # creates the trigger again
