"""What the worker does by itself."""

import threading
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from importers.models import Person
from importers.worker import jobs


@pytest.mark.django_db
def test_sweep_removes_expired_sessions_only(officer: Person) -> None:
    for key, life in (("old", timedelta(seconds=-1)), ("new", timedelta(hours=1))):
        Session.objects.create(session_key=key, session_data="", expire_date=Now() + life)
        UserSession.objects.create(session_key=key, user=officer, ip="192.0.2.7")
    stop = threading.Event()
    stop.set()
    jobs.sweep(stop)
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(UserSession.objects.values_list("session_key", flat=True)) == ["new"]
