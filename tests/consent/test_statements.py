"""The statement: its wording in force and its versions."""

import pytest

from importers import consent
from importers.models import Statement

pytestmark = pytest.mark.django_db


def test_first_wording_is_version_1() -> None:
    assert consent.statement().version == 1
    assert consent.statement().text == consent.FIRST_STATEMENT
    assert Statement.objects.count() == 1


def test_newest_version_is_in_force() -> None:
    consent.statement()
    Statement.objects.create(version=3, text="third")
    Statement.objects.create(version=2, text="second")
    assert consent.statement().text == "third"
