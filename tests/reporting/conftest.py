"""Imports for the history."""

from datetime import UTC, datetime
from typing import Any

import pytest

from importers.models import FaceList, Import, Person
from tests.support.makers import MakeImports
from tests.support.people import PASSWORD


@pytest.fixture
def colleague(db: None) -> Person:
    return Person.objects.create_user(
        "approver", password=PASSWORD, first_name="Tomás", last_name="Rivera"
    )


@pytest.fixture
def second_list(db: None) -> FaceList:
    return FaceList.objects.create(environment="local", persona_id="lst_2", name="Others")


@pytest.fixture
def five_imports(
    make_imports: MakeImports, colleague: Person, second_list: FaceList
) -> dict[str, int]:
    """The ids of five imports by name; each differs from the first in one property."""
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "completed": {"state": "completed"},
        "second list": {"face_list": second_list},
        "colleague's": {"created_by": colleague},
        "old": {},
    }
    ids = {name: make_imports(1, **values)[0].pk for name, values in kinds.items()}
    Import.objects.update(created_at=datetime(2026, 6, 15, 12, tzinfo=UTC))
    Import.objects.filter(pk=ids["old"]).update(created_at=datetime(2026, 5, 31, tzinfo=UTC))
    return ids
