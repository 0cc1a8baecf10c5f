"""Holding a list that Persona refuses, and releasing it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from importers import facelists
from importers.models import FaceList

pytestmark = pytest.mark.django_db


def test_hold_keeps_its_start_and_shows_the_newest_words(face_list: FaceList) -> None:
    facelists.hold(face_list, "First words")
    face_list.refresh_from_db()
    since = face_list.problem_since
    facelists.hold(face_list, "Other words")
    face_list.refresh_from_db()
    assert (face_list.problem, face_list.refusals) == ("Other words", 2)
    assert face_list.problem_since == since
    assert face_list.held_until
    wait = face_list.held_until - datetime.now(UTC)
    assert timedelta(seconds=19) < wait <= timedelta(seconds=20)


def test_released_hold_leaves_no_trace(face_list: FaceList) -> None:
    facelists.hold(face_list, "Words")
    facelists.release(face_list.pk)
    face_list.refresh_from_db()
    assert (face_list.problem, face_list.problem_since) == ("", None)
    assert (face_list.held_until, face_list.refusals) == (None, 0)


def test_hold_of_one_list_survives_the_release_of_another(face_list: FaceList) -> None:
    other = FaceList.objects.create(environment="local", persona_id="lst_other")
    facelists.hold(face_list, "Words")
    facelists.release(other.pk)
    assert FaceList.objects.filter(pk=face_list.pk, held_until__gt=Now()).exists()
