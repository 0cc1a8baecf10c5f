"""Counters: the totals and the revision of an import, kept by triggers of the database.

A trigger counts in the transaction of the change, whoever makes it. It locks the import after the
batches and images that changed, which is the order of `forwarding.completion.lock`.
"""

from collections.abc import Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Count, Q, Sum

from importers.models.batches import Batch
from importers.models.imports import Image, Import

RESULTS = ("successful_count", "duplicate_count", "error_count")
FILES = {"image_count": Image.State.ACCEPTED, "left_out_count": Image.State.LEFT_OUT}
# The columns of a batch that the page of its import shows.
SHOWN = (
    *("state", "attempts", "importer_id", "persona_status", "accepted_at", "decided_at"),
    "acknowledged_at",
    *("problem", "problem_detail", *RESULTS),
)
CREATE = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS {name}",
        "CREATE TRIGGER {name} AFTER {event} FOR EACH ROW {when} BEGIN {update}; END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN {update}; RETURN NULL; END $$",
        "CREATE OR REPLACE TRIGGER {name} AFTER {event}"
        " FOR EACH ROW {when} EXECUTE FUNCTION {name}()",
    ),
}
DIFFERS = {"sqlite": "IS NOT", "postgresql": "IS DISTINCT FROM"}


def install(using: str = DEFAULT_DB_ALIAS, **migrated: Any) -> None:
    """Create the triggers. Runs after each `migrate`: SQLite drops those of an altered table."""
    connection = connections[using]
    tables = {row._meta.db_table for row in (Batch, Image, Import)}
    # A flush sends the same signal, without a plan. `migrate` may have removed the tables.
    if "plan" in migrated and tables <= set(connection.introspection.table_names()):
        with connection.cursor() as cursor:
            for trigger in _triggers(connection.vendor):
                for statement in CREATE[connection.vendor]:
                    cursor.execute(statement.format(**trigger))


def recount() -> Iterator[Import]:
    """Correct the counters that differ from their rows.

    Yield each import that had any, within the transaction that corrects it.
    """
    for pk in Import.objects.values_list("pk", flat=True).iterator():
        with transaction.atomic():
            row = Import.objects.select_for_update().get(pk=pk)
            counted = _count(row)
            if counted != {column: getattr(row, column) for column in counted}:
                Import.objects.filter(pk=pk).update(**counted)
                yield row


def _count(row: Import) -> dict[str, int | None]:
    files = {column: Count("pk", filter=Q(state=state)) for column, state in FILES.items()}
    results = {column: Sum(column) for column in RESULTS}
    return row.files.aggregate(**files) | row.batches.aggregate(**results)


def _triggers(vendor: str) -> list[dict[str, str]]:
    new, old = (", ".join(f"{row}.{column}" for column in SHOWN) for row in ("NEW", "OLD"))
    # None until Persona has reported the first count.
    results = {
        column: f"COALESCE({column} + COALESCE(NEW.{column}, 0)"
        f" - COALESCE(OLD.{column}, 0), NEW.{column})"
        for column in RESULTS
    }
    batch, image = Batch._meta.db_table, Image._meta.db_table
    differ = DIFFERS[vendor]
    changed, moved = f"({new}) {differ} ({old})", f"NEW.state {differ} OLD.state"
    return [
        _trigger("batch_changed", f"UPDATE ON {batch}", _update("NEW", results), changed),
        _trigger("image_added", f"INSERT ON {image}", _update("NEW", _files(added="NEW"))),
        _trigger("image_removed", f"DELETE ON {image}", _update("OLD", _files(removed="OLD"))),
        _trigger(
            "image_moved",
            f"UPDATE OF state ON {image}",
            _update("NEW", _files(added="NEW", removed="OLD")),
            moved,
        ),
    ]


def _trigger(name: str, event: str, update: str, when: str = "") -> dict[str, str]:
    condition = f"WHEN ({when})" if when else ""
    return {"name": f"importers_{name}", "event": event, "when": condition, "update": update}


def _files(*, added: str = "", removed: str = "") -> dict[str, str]:
    """Return the counts of files with the row `added` counted and the row `removed` not."""
    return {
        column: column
        + (f" + {_one(added, state)}" if added else "")
        + (f" - {_one(removed, state)}" if removed else "")
        for column, state in FILES.items()
    }


def _one(row: str, state: Image.State) -> str:
    """Return 1 in SQL if the row has that state, else 0."""
    return f"CASE {row}.state WHEN '{state.value}' THEN 1 ELSE 0 END"


def _update(row: str, values: dict[str, str]) -> str:
    pairs = ", ".join(
        f"{column} = {value}" for column, value in ({"revision": "revision + 1"} | values).items()
    )
    # Nothing here comes from outside.
    return f"UPDATE {Import._meta.db_table} SET {pairs} WHERE id = {row}.face_import_id"  # noqa: S608
