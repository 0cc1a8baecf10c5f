"""How the databases read the audit trail: by an index for each filter, and never sorting it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from importers.models import AuditEvent, Person
from importers.reporting import trail
from importers.reporting.objects import Thing
from importers.reporting.trail import Filter

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
ROWS = 2_000
ON_SQLITE = connection.vendor == "sqlite"
PERIOD = {"since": date(2026, 5, 3), "until": date(2026, 5, 4)}


@pytest.fixture
def account(officer: Person) -> str:
    """A trail of 2,000 rows, whose hashes are none, and an account that wrote every fiftieth."""
    AuditEvent.objects.bulk_create(row(number, officer) for number in range(1, ROWS + 1))
    return str(officer.pk)


def row(number: int, officer: Person) -> AuditEvent:
    person = None if number % 50 else officer
    others = "nobody" if number % 100 == 1 else "worker"
    return AuditEvent(
        pk=number,
        at=datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=5 * number),
        actor=person,
        actor_name="officer" if person else others,
        action="import.drafted" if person else "batch.done",
        object_type="import",
        object_id=str(number),
        previous_hash="",
        hash=str(number),
    )


def plans(chosen: Filter) -> list[str]:
    """How each query of a page is carried out."""
    with CaptureQueriesContext(connection) as queries:
        trail.page(chosen, before=ROWS)
    explain = "EXPLAIN QUERY PLAN" if ON_SQLITE else "EXPLAIN"
    with connection.cursor() as cursor:
        if not ON_SQLITE:  # so few rows it would rather read and sort
            cursor.execute("ANALYZE")
            for step in ("seqscan", "sort", "incremental_sort"):
                cursor.execute(f"SET LOCAL enable_{step} = off")
        found = []
        for query in queries.captured_queries:
            cursor.execute(f"{explain} {query['sql']}")
            found.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
        return found


@pytest.mark.parametrize("with_period", [False, True])
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("account", "audit_actor"),
        ("nobody", "audit_no_account"),
        ("act", "audit_action"),
        ("object", "audit_object"),
        ("nothing", "importers_auditevent"),
    ],
)
def test_filter_reads_an_index_in_its_order(
    name: str, index: str, with_period: bool, account: str
) -> None:
    chosen = {
        "account": {"person": account},
        "nobody": {"person": "nobody"},
        "act": {"action": "import.drafted"},
        "object": {"object": Thing("import", "700")},
        "nothing": {},
    }[name]
    found = plans(Filter(**chosen, **(PERIOD if with_period else {})))  # type: ignore[arg-type]
    assert any(index in plan for plan in found)
    for plan in found:
        assert "SCAN" not in plan
        assert "Seq Scan" not in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan
