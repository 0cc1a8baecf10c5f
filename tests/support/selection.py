"""The order of the tests, and which of them run on PostgreSQL too.

The journeys go first: they take longest, so the processes would not end together otherwise.

`make test` runs every test on SQLite. The run beside it, with DATABASE_URL set to PostgreSQL, has
the marked tests only (docs/decisions.md, 2026-11-24, has the rule for the mark).
"""

import pytest
from django.db import connection as database

MARK = "on_both_databases"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}: what this tests can differ on PostgreSQL")


@pytest.hookimpl(trylast=True)  # pytest-django orders them as well
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "journeys" not in item.path.parts)
    if database.vendor == "sqlite":
        return
    marked = [item for item in items if item.get_closest_marker(MARK)]
    config.hook.pytest_deselected(items=[item for item in items if item not in marked])
    items[:] = marked
