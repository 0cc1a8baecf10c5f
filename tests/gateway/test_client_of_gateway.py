"""The line to Persona: when it is down, for whom, and how it comes up again."""

from collections.abc import Callable

import pytest
from django.db.models.functions import Now
from django.test import Client

from importers import connection, pacing
from importers.local_persona import IMPORT, IMPORTERS, LocalPersona
from importers.models import Environment, FaceList, Import, PersonaLine
from importers.persona import errors
from tests.support.attestations import submit
from tests.support.forwarding import forward

pytestmark = pytest.mark.django_db
Make = Callable[..., Import]


def pause_is_over() -> None:
    PersonaLine.objects.update(paused_until=Now())


def test_after_a_pause_one_request_alone_tries_the_line(persona: LocalPersona) -> None:
    persona.faults.inject("unauthorized")
    with pytest.raises(errors.KeyRefused):
        connection.persona().importers_page()
    assert pacing.take(Environment.LOCAL)
    pause_is_over()

    assert not pacing.take(Environment.LOCAL)
    assert pacing.take(Environment.LOCAL)

    connection.persona().importers_page()
    assert not pacing.take(Environment.LOCAL)
    assert not pacing.take(Environment.LOCAL)


def test_where_sending_is_forbidden_an_answer_to_a_poll_does_not_mend_it(
    persona: LocalPersona, known_list: FaceList, make_draft: Make, actor: object
) -> None:
    sent = submit(make_draft(known_list), actor)  # type: ignore[arg-type]
    persona.faults.inject("forbidden", None, IMPORT)
    forward()
    since = connection.line().problem_since
    assert connection.line().problem == "key_refused"

    pause_is_over()
    connection.persona().importers_page()
    assert connection.line().problem == "key_refused"
    assert connection.line().problem_since == since

    persona.faults.clear()
    pause_is_over()
    forward()
    assert connection.line().problem == ""
    sent.refresh_from_db()
    assert sent.state == Import.State.COMPLETED


def test_a_refused_key_is_mended_by_any_answer(persona: LocalPersona) -> None:
    persona.faults.inject("unauthorized", 1, IMPORTERS)
    with pytest.raises(errors.KeyRefused):
        connection.persona().importers_page()
    assert connection.line().problem == "key_refused"
    connection.persona().lists_page()
    assert connection.line().problem == ""


def test_every_page_says_that_the_line_is_down_and_since_when(
    persona: LocalPersona, signed_in: Client
) -> None:
    assert "Persona refuses" not in signed_in.get("/").content.decode()
    persona.faults.inject("unauthorized")
    with pytest.raises(errors.KeyRefused):
        connection.persona().importers_page()
    for address in ("/", "/lists/", "/imports/new/"):
        html = signed_in.get(address).content.decode()
        assert "Persona refuses the API key." in html
        assert f"Held up since {connection.line().problem_since:%H:%M} UTC." in html
        assert "Token is invalid" in html
