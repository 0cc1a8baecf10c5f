"""Which tests run on PostgreSQL too: those marked `on_both_databases`.

`make test` runs every test on SQLite first. A second run with DATABASE_URL set to PostgreSQL
repeats the marked tests only (docs/decisions.md, 2026-11-24, has the rule for the mark).
"""

import pytest
from django.db import connection as database

MARK = "on_both_databases"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}: what this tests can differ on PostgreSQL")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if database.vendor == "sqlite":
        return
    marked = [item for item in items if item.get_closest_marker(MARK)]
    config.hook.pytest_deselected(items=[item for item in items if item not in marked])
    items[:] = marked
