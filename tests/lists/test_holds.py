"""Holding a list that Persona refuses, and releasing it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from importers.lists import holds
from importers.models import FaceList

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def test_hold_keeps_its_start_and_shows_the_newest_words(face_list: FaceList) -> None:
    holds.hold(face_list, "First words")
    face_list.refresh_from_db()
    since = face_list.problem_since
    holds.hold(face_list, "Other words")
    face_list.refresh_from_db()
    assert (face_list.problem, face_list.refusals) == ("Other words", 2)
    assert face_list.problem_since == since
    assert face_list.held_until
    wait = face_list.held_until - datetime.now(UTC)
    assert timedelta(seconds=19) < wait <= timedelta(seconds=20)


def test_released_hold_leaves_no_trace(face_list: FaceList) -> None:
    holds.hold(face_list, "Words")
    holds.release(face_list.pk)
    face_list.refresh_from_db()
    assert (face_list.problem, face_list.problem_since) == ("", None)
    assert (face_list.held_until, face_list.refusals) == (None, 0)


def test_hold_of_one_list_survives_the_release_of_another(face_list: FaceList) -> None:
    other = FaceList.objects.create(environment="local", persona_id="lst_other")
    holds.hold(face_list, "Words")
    holds.release(other.pk)
    assert FaceList.objects.filter(pk=face_list.pk, held_until__gt=Now()).exists()
