"""Gunicorn's settings."""

import runpy
from pathlib import Path

import pytest
from django.conf import settings as project


def test_gunicorn_listens_on_loopback_and_does_not_log_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "8123")
    chosen = runpy.run_path(str(Path(project.BASE_DIR, "config", "gunicorn.py")))
    assert chosen["bind"] == "127.0.0.1:8123"
    assert chosen["logconfig_dict"]["loggers"]["gunicorn.access"]["level"] == "WARNING"
