"""The agreement of an installed product and Local Persona once every batch has ended."""

from bisect import bisect_left
from uuid import UUID

from importers.local_persona import LocalPersona, SeenRequest
from tests.support.product import Product

BATCHES = """
    SELECT importer_id, idempotency_key, state, image_count, successful_count, duplicate_count,
        error_count FROM importers_batch
"""
SENT_IMAGES = """
    SELECT importer_id, sha256
    FROM importers_image JOIN importers_batch ON importers_batch.id = batch_id
"""
COUNTED = """
    SELECT image_count, successful_count, duplicate_count, error_count FROM importers_import
    EXCEPT
    SELECT SUM(image_count), SUM(successful_count), SUM(duplicate_count), SUM(error_count)
    FROM importers_batch GROUP BY face_import_id
"""


def sends(persona: LocalPersona) -> list[SeenRequest]:
    return [request for request in persona.requests() if request.method == "POST"]


def assert_each_image_sent_once(installed: Product, persona: LocalPersona, count: int) -> None:
    """By Persona's own ledger, where a repeated key makes no second entry."""
    at_persona = [(row.importer_id, file.sha256) for row in persona.ledger() for file in row.files]
    assert sorted(installed.rows(SENT_IMAGES)) == sorted(at_persona)
    assert len({sha256 for _, sha256 in at_persona}) == len(at_persona) == count


def assert_rows_match_ledger(installed: Product, persona: LocalPersona) -> None:
    """Every batch is done, with the importer, the key and the counts of Persona's ledger."""
    ledger = [
        (row.importer_id, UUID(row.idempotency_key), len(row.files)) for row in persona.ledger()
    ]
    expected = [(importer, key, "done", count, count, 0, 0) for importer, key, count in ledger]
    rows = [(importer, UUID(str(key)), *rest) for importer, key, *rest in installed.rows(BATCHES)]
    assert sorted(rows) == sorted(expected)
    assert installed.rows("SELECT state FROM importers_import") == [("completed",)]
    assert installed.rows(COUNTED) == []


def most_requests_within(persona: LocalPersona, seconds: float) -> int:
    """The most requests that reached Persona in any window of so many seconds."""
    times = sorted(request.time for request in persona.requests())
    return max(bisect_left(times, start + seconds) - n for n, start in enumerate(times))
