"""The notices about a stop of all sending."""

from collections.abc import Callable

import pytest
from django.test import Client

from importers.forwarding.notices import gateway_notices
from importers.models import FaceList, Gateway, Import, Level, Problem

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("problem", "level"),
    [
        (Problem.KEY_REFUSED, Level.ERROR),
        (Problem.UNREACHABLE, Level.ERROR),
        (Problem.SERVER_TROUBLE, Level.ERROR),
        (Problem.RATE_LIMITED, Level.WARNING),
    ],
)
def test_each_gateway_problem_has_its_notice(problem: Problem, level: Level) -> None:
    Gateway.objects.create(
        environment="local", problem=problem, problem_detail="Words.", reads_fail=True
    )
    (notice,) = gateway_notices()
    assert (notice.code, notice.level) == (problem, level)
    assert "Sending stopped. Words. Everything accepted is kept" in notice.sentence
    assert notice.remedy


def test_failed_sends_are_a_notice_only_while_something_waits(
    make_import: Callable[..., Import], face_list: FaceList
) -> None:
    Gateway.objects.create(environment="local", problem="server_trouble", sends_fail=True)
    assert gateway_notices() == []
    sent = make_import(face_list)
    assert [notice.code for notice in gateway_notices()] == ["server_trouble"]
    sent.batches.update(state="done", importer_id="mprt_1")
    assert gateway_notices() == []


def test_unknown_gateway_problem_breaks_no_page(signed_in: Client) -> None:
    """A newer version may have written it before it was rolled back."""
    Gateway.objects.create(environment="local", problem="from_the_future", reads_fail=True)
    response = signed_in.get("/")
    assert response.status_code == 200
    assert 'data-code="from_the_future"' in response.content.decode()
