"""Compiled queries: each reads the one row whose key follows its parameters."""

import pytest
from django.db import connection
from django.db.models import F, Value

from importers.models import FaceList, compiled

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def test_one_row_is_read_by_its_key(face_list: FaceList) -> None:
    other = FaceList.objects.create(environment="local", persona_id="lst_other", name="Other")
    named = FaceList.objects.filter(environment="local").order_by("name")
    sql, parameters = compiled.by_key(named.values_list("name", F("pk") + Value(7)))

    def read(key: int) -> list[tuple[object, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, [*parameters, key])
            return [tuple(row) for row in cursor.fetchall()]

    assert read(face_list.pk) == [(face_list.name, face_list.pk + 7)]
    assert read(other.pk) == [("Other", other.pk + 7)]
    assert read(other.pk + 1) == []
