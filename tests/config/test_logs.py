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

import psycopg
import pytest
from django.conf import settings as project
from django.db import IntegrityError
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


@pytest.fixture(params=[True, False], ids=["JSON", "text"])
def log(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Log in this format, and return the log so far."""
    stream = io.StringIO()
    logging.config.dictConfig(logs.configuration(as_json=request.param))
    handler = next(h for h in logging.root.handlers if type(h) is logging.StreamHandler)
    handler.setStream(stream)
    yield stream.getvalue
    logging.config.dictConfig(project.LOGGING)


BROKEN = 'duplicate key value violates unique constraint "one_row_per_hash"'
DETAILS = [
    "DETAIL:  Key (name)=(jane-doe.jpg) already exists.",
    "DETAIL:  Failing row contains (7, x\n\njane-doe.jpg).",
    "LINE 1: ...VALUES ('jane-doe.jpg')\n                    ^",
    'CONTEXT:  COPY image, line 1, column name: "jane-doe.jpg"',
]


def log_integrity_error(detail: str) -> None:
    """Log what Django raises from PostgreSQL's error, as a traceback and as an argument."""
    logger = logging.getLogger("importers")
    try:
        try:
            raise psycopg.errors.UniqueViolation(f"{BROKEN}\n{detail}")
        except psycopg.Error as error:
            raise IntegrityError(*error.args) from error
    except IntegrityError as error:
        logger.exception("not stored")
        logger.warning("not stored: %s", error)


@pytest.mark.parametrize("detail", DETAILS)
def test_log_holds_no_values_of_a_database_error(log: Callable[[], str], detail: str) -> None:
    log_integrity_error(detail)
    text = log().replace('\\"', '"')
    assert "jane-doe" not in text
    assert text.count(BROKEN) == 3  # both exceptions of the chain, and the argument
    assert "The above exception was the direct cause" in text
    assert "django.db.utils.IntegrityError" in text


def test_other_handlers_receive_the_whole_record(
    log: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger().addHandler(caplog.handler)
    log_integrity_error(DETAILS[0])
    traceback, argument = caplog.records
    assert traceback.exc_info is not None
    assert "jane-doe" in argument.getMessage()


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
