"""Verifying the audit trail: every way to break the chain is found."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER
from importers.models import AuditEvent, AuditHead
from tests.support.trail import breaks, row_hash

pytestmark = pytest.mark.on_both_databases

NONE = "0" * 64
CHANGES: dict[str, Any] = {
    "at": None,  # the test adds a microsecond
    "actor_id": None,
    "actor_name": "Officer",
    "address": "192.0.2.8",
    "action": "lists.reads",
    "object_type": "import",
    "object_id": "1",
    "details": {"changed": ["lst_1"]},
    "previous_hash": "f" * 64,
    "hash": "f" * 64,
}


def head_mismatch(end: int, head: int) -> str:
    return f"The chain, which ends at row {end}, does not match its head (row {head})."


@pytest.mark.django_db
def test_empty_trail_is_whole() -> None:
    assert breaks() == []


def test_untouched_trail_is_whole(chain: list[AuditEvent]) -> None:
    assert breaks() == []


def test_every_field_of_an_audit_row_is_tried() -> None:
    fields = {field.attname for field in AuditEvent._meta.concrete_fields}
    assert fields == {*CHANGES, "id"}


@pytest.mark.parametrize("field", CHANGES)
def test_changed_field_is_found_and_its_row_named(field: str, chain: list[AuditEvent]) -> None:
    third = chain[2]
    value = third.at + timedelta(microseconds=1) if field == "at" else CHANGES[field]
    assert getattr(third, field) != value
    AuditEvent.objects.filter(pk=3).update(**{field: value})
    found = breaks()
    action = value if field == "action" else "lists.synced"
    assert f"Row 3 ({action}) was changed after it was written." in found
    follows = {
        "previous_hash": ["Row 3 does not follow the row before it."],
        "hash": ["Row 4 does not follow the row before it."],
    }
    assert len(found) == 1 + len(follows.get(field, []))
    assert set(follows.get(field, [])) <= set(found)


def test_row_changed_in_the_database_is_found(chain: list[AuditEvent]) -> None:
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(AuditEvent._meta.db_table)
        cursor.execute(f"UPDATE {table} SET actor_name = %s WHERE id = 2", ["maya"])  # noqa: S608
    assert breaks() == ["Row 2 (batch.accepted) was changed after it was written."]


def test_changed_row_with_a_new_hash_breaks_the_next_row(chain: list[AuditEvent]) -> None:
    """Somebody who knows the algorithm can compute the new hash."""
    third = chain[2]
    third.actor_name = "nobody"
    third.hash = row_hash(third)
    third.save()
    assert breaks() == ["Row 4 does not follow the row before it."]


def test_last_row_with_a_new_hash_does_not_fit_the_head(chain: list[AuditEvent]) -> None:
    last = chain[-1]
    last.actor_name = "nobody"
    last.hash = row_hash(last)
    last.save()
    assert breaks() == [head_mismatch(5, 5)]


def test_deleted_row_in_the_middle_is_named(chain: list[AuditEvent]) -> None:
    chain[2].delete()
    assert breaks() == [
        "Row 3 is missing: the next one is row 4.",
        "Row 4 does not follow the row before it.",
    ]


def test_deleted_first_row_is_named(chain: list[AuditEvent]) -> None:
    chain[0].delete()
    assert breaks()[0] == "Row 1 is missing: the next one is row 2."


def test_deleted_last_rows_do_not_fit_the_head(chain: list[AuditEvent]) -> None:
    chain[4].delete()
    assert breaks() == [head_mismatch(4, 5)]
    chain[3].delete()
    assert breaks() == [head_mismatch(3, 5)]


def test_deleted_trail_does_not_fit_the_head(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.all().delete()
    assert breaks() == [head_mismatch(0, 5)]


def test_inserted_first_row_is_found(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.create(pk=0, at=datetime.now(UTC), hash="f" * 64)
    assert breaks()[0] == "Row 1 is missing: the next one is row 0."


def test_inserted_last_row_does_not_fit_the_head(chain: list[AuditEvent]) -> None:
    """The inserted row follows the last one correctly."""
    forged = AuditEvent(pk=6, at=datetime.now(UTC), previous_hash=chain[-1].hash)
    forged.hash = row_hash(forged)
    forged.save(force_insert=True)
    assert breaks() == [head_mismatch(6, 5)]


def test_swapped_rows_are_found(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.filter(pk=2).update(id=99)
    AuditEvent.objects.filter(pk=3).update(id=2)
    AuditEvent.objects.filter(pk=99).update(id=3)
    found = breaks()
    assert "Row 2 (lists.synced) was changed after it was written." in found
    assert "Row 3 (batch.accepted) was changed after it was written." in found


@pytest.mark.parametrize(
    "change", [{"length": 4}, {"length": 6}, {"length": 0}, {"hash": NONE}], ids=str
)
def test_changed_head_does_not_fit(change: dict[str, Any], chain: list[AuditEvent]) -> None:
    AuditHead.objects.update(**change)
    assert breaks() == [head_mismatch(5, change.get("length", 5))]


def test_head_reset_to_an_older_row_does_not_fit(chain: list[AuditEvent]) -> None:
    AuditHead.objects.update(length=3, hash=chain[2].hash)
    assert breaks() == [head_mismatch(5, 3)]


def test_deleted_head_does_not_fit(chain: list[AuditEvent]) -> None:
    AuditHead.objects.all().delete()
    assert breaks() == [head_mismatch(5, 0)]


def test_trail_that_grows_during_the_check_is_whole(chain: list[AuditEvent]) -> None:
    """An act is recorded before each query of the check."""
    queries: list[str] = []

    def act_first(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "acting" not in queries:
            queries.append("acting")
            trail.append(WORKER, Action.BATCH_ACCEPTED)
            queries[queries.index("acting")] = sql
        return execute(sql, *rest)

    with connection.execute_wrapper(act_first):
        assert breaks() == []
    assert AuditEvent.objects.count() == 5 + len(queries)
    assert len(queries) > 1
