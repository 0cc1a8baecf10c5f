"""The gateway's client: each exchange leaves a row, and logs hold no secrets."""

from collections.abc import Callable

import pytest

from importers.local_persona import LocalPersona
from importers.models import Batch, Exchange, FaceList, Import
from tests.support.batches import the_only
from tests.support.forwarding import forward

pytestmark = pytest.mark.on_both_databases

Make = Callable[..., Import]
State = Batch.State


def test_every_exchange_leaves_a_row(
    persona: LocalPersona, make_import: Make, known_list: FaceList
) -> None:
    sent = make_import(known_list)
    forward()
    send, poll = Exchange.objects.order_by("pk")
    assert (send.method, send.path) == ("POST", "/importer/list-item/faces")
    assert (send.status, send.batch) == (201, the_only(sent))
    assert send.request_id.startswith("req_")
    assert (poll.method, poll.path, poll.status) == ("GET", "/importers", 200)
    assert poll.batch is None


def test_logs_hold_no_names_and_no_api_key(
    persona: LocalPersona, make_import: Make, known_list: FaceList, caplog: pytest.LogCaptureFixture
) -> None:
    persona.faults.inject("unprocessable")
    make_import(known_list)
    make_import(known_list, first_seed=10)
    with caplog.at_level("DEBUG"):
        forward()
    assert "importer mprt_" in caplog.text
    assert "Persona answered 422" in caplog.text
    assert "face-0" not in caplog.text
    assert persona.key not in caplog.text
