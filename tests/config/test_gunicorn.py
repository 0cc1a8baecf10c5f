"""Gunicorn's settings."""

import resource
import runpy
from pathlib import Path

import pytest
from django.conf import settings as project

GUNICORN = Path(project.BASE_DIR, "config", "gunicorn.py")


def test_gunicorn_listens_on_loopback_and_does_not_log_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "8123")
    chosen = runpy.run_path(str(GUNICORN))
    assert chosen["bind"] == "127.0.0.1:8123"
    assert chosen["forwarded_allow_ips"] == ""
    assert chosen["logconfig_dict"]["loggers"]["gunicorn.access"]["level"] == "WARNING"


def test_gunicorn_may_open_a_file_for_each_of_a_full_form() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        runpy.run_path(str(GUNICORN))
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(16_384, hard), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
