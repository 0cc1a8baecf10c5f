"""Logs: plain text or JSON, with the ids of batch and request."""

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
from importers.audit import Actor
from importers.local_persona import LocalPersona
from importers.models import Exchange, FaceList, Import
from tests.support.attestations import submit
from tests.support.forwarding import forward

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Return what was logged as JSON, one object per line."""
    written = io.StringIO()
    logging.config.dictConfig(logs.configuration(as_json=True))
    handler = next(h for h in logging.root.handlers if type(h) is logging.StreamHandler)
    handler.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.config.dictConfig(project.LOGGING)


@pytest.mark.django_db
class TestJson:
    def test_json_log_names_the_batch_and_the_persona_request_id(
        self,
        lines: Lines,
        persona: LocalPersona,
        make_draft: Callable[..., Import],
        known_list: FaceList,
        actor: Actor,
    ) -> None:
        persona.faults.inject("unprocessable")
        sent = submit(make_draft(known_list), actor)
        forward()
        batch = sent.batches.get()
        refusal, step = [line for line in lines() if line.get("batch") == batch.pk]
        assert refusal["request_id"] == Exchange.objects.get(batch=batch).request_id != ""
        assert (refusal["level"], refusal["status"]) == ("WARNING", 422)
        assert refusal["message"].startswith("POST /importer/list-item/faces: Persona answered 422")
        assert step["message"] == f"batch {batch.pk}: failed, refused"
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00$", step["at"])

    def test_json_log_names_no_file_no_person_and_no_search(
        self,
        lines: Lines,
        persona: LocalPersona,
        make_draft: Callable[..., Import],
        known_list: FaceList,
        actor: Actor,
        signed_in: Client,
    ) -> None:
        persona.faults.inject("server_error")
        submit(make_draft(known_list), actor)
        forward()
        assert signed_in.get("/imports/99/?q=Jane+Doe").status_code == 404
        text = json.dumps(lines())
        assert "Not Found" in text
        for secret in ("face-0", "officer", "Okafor", "Jane", persona.key):
            assert secret not in text

    def test_json_log_names_each_browser_request_as_its_response_does(
        self, lines: Lines, signed_in: Client
    ) -> None:
        answers = [signed_in.get("/imports/99/") for _ in range(2)]
        ids = [line["correlation_id"] for line in lines()]
        assert ids == [answer.headers["Correlation-ID"] for answer in answers]
        assert len(set(ids)) == 2

    def test_json_log_writes_a_message_of_several_lines_as_one_line(self, lines: Lines) -> None:
        logging.getLogger("importers").warning("one\r\ntwo \x1b[31m")
        assert [line["message"] for line in lines()] == ["one\r\ntwo \x1b[31m"]


@pytest.mark.parametrize(("value", "as_json"), [("True", True), ("False", False), ("", False)])
def test_log_json_chooses_the_format(value: str, as_json: bool) -> None:
    code = "import django; django.setup(); import logging; logging.getLogger('x').error('logged')"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"LOG_JSON": value, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=project.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = run.stderr.splitlines()
    assert line.startswith("{") == as_json
    assert "logged" in line
