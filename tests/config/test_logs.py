"""Logs: one line for people or JSON for machines, with the ids to trace a request or batch."""

import io
import json
import logging
import logging.config
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client

from config import logs
from importers.audit.actors import Actor
from importers.local_persona import LocalPersona
from importers.models import Exchange, FaceList
from tests.support.attestations import submit
from tests.support.forwarding import forward
from tests.support.makers import MakeDraft

ReadLog = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log_entries() -> Iterator[ReadLog]:
    """Log as JSON, and return the log entries so far."""
    stream = io.StringIO()
    logging.config.dictConfig(logs.configuration(as_json=True))
    handler = next(h for h in logging.root.handlers if type(h) is logging.StreamHandler)
    handler.setStream(stream)
    yield lambda: [json.loads(entry) for entry in stream.getvalue().splitlines()]
    logging.config.dictConfig(project.LOGGING)


@pytest.mark.django_db
class TestJson:
    def test_json_names_the_batch_and_personas_request_id(
        self,
        log_entries: ReadLog,
        persona: LocalPersona,
        make_draft: MakeDraft,
        known_list: FaceList,
        actor: Actor,
    ) -> None:
        persona.faults.inject("unprocessable")
        sent = submit(make_draft(known_list), actor)
        forward()
        batch = sent.batches.get()
        refusal, step = [entry for entry in log_entries() if entry.get("batch") == batch.pk]
        assert refusal["request_id"] == Exchange.objects.get(batch=batch).request_id != ""
        assert (refusal["level"], refusal["status"]) == ("WARNING", 422)
        assert refusal["message"].startswith("POST /importer/list-item/faces: Persona answered 422")
        assert step["message"] == f"batch {batch.pk}: failed, refused"
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00$", step["at"])

    def test_json_names_no_file_person_or_search_term(
        self,
        log_entries: ReadLog,
        persona: LocalPersona,
        make_draft: MakeDraft,
        known_list: FaceList,
        actor: Actor,
        signed_in: Client,
    ) -> None:
        persona.faults.inject("server_error")
        submit(make_draft(known_list), actor)
        forward()
        assert signed_in.get("/imports/99/?q=Jane+Doe").status_code == 404
        log = json.dumps(log_entries())
        assert "Not Found" in log
        for secret in ("face-0", "officer", "Okafor", "Jane", persona.key):
            assert secret not in log

    def test_json_carries_the_correlation_id_of_the_response(
        self, log_entries: ReadLog, signed_in: Client
    ) -> None:
        responses = [signed_in.get("/imports/99/") for _ in range(2)]
        ids = [entry["correlation_id"] for entry in log_entries()]
        assert ids == [response.headers["Correlation-ID"] for response in responses]
        assert len(set(ids)) == 2

    def test_multi_line_message_is_one_json_line(self, log_entries: ReadLog) -> None:
        logging.getLogger("importers").warning("one\r\ntwo \x1b[31m")
        assert [entry["message"] for entry in log_entries()] == ["one\r\ntwo \x1b[31m"]


@pytest.mark.parametrize(("value", "as_json"), [("True", True), ("False", False), ("", False)])
def test_log_json_switches_the_format(value: str, as_json: bool) -> None:
    code = "import django; django.setup(); import logging; logging.getLogger('x').error('logged')"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"LOG_JSON": value, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=project.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    (entry,) = run.stderr.splitlines()
    assert entry.startswith("{") == as_json
    assert "logged" in entry
