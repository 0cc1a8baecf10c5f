"""What the worker does by itself."""

import threading
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from importers.worker import jobs


@pytest.mark.django_db
def test_sweep_removes_expired_sessions_only() -> None:
    for key, life in (("old", timedelta(seconds=-1)), ("new", timedelta(hours=1))):
        Session.objects.create(session_key=key, session_data="", expire_date=Now() + life)
    stop = threading.Event()
    stop.set()
    jobs.sweep(stop)
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
