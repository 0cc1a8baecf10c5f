"""The statement: its wording in force and its versions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from pytest_django import DjangoAssertNumQueries

from importers.consent import statements
from importers.models import Statement

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def test_first_wording_is_published_by_migrate() -> None:
    first = Statement.objects.get()
    assert (first.version, first.text) == (1, statements.FIRST_STATEMENT)
    assert statements.in_force() == first


def test_later_migrate_publishes_nothing() -> None:
    Statement.objects.filter(version=1).update(text="As it was published.")
    call_command("migrate", verbosity=0)
    assert Statement.objects.get().text == "As it was published."


@pytest.mark.parametrize("arguments", [["auth"], ["importers", "zero"]])
def test_migrate_of_a_part_needs_no_statement(arguments: list[str], tmp_path: Path) -> None:
    own = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", *arguments]
    subprocess.run(command, cwd=settings.BASE_DIR, env=own, check=True)


def test_reading_the_statement_writes_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        statements.in_force()


def test_newest_version_is_in_force() -> None:
    Statement.objects.create(version=3, text="third")
    Statement.objects.create(version=2, text="second")
    assert statements.in_force().text == "third"
