"""Odd values in an answer: text that cannot be stored, numbers and times without bounds."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from importers.persona import errors
from importers.persona.client import Exchange
from importers.persona.responses import RateLimit
from tests.support.persona_client import client_and_server, client_of, error_after, send
from tests.support.scripted_persona import PENDING, Scripted, drip, importer, importers, says

ODD = "a\0b\ud800c\udfffd"
CLEAN = "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}d"


def exchange_after(**headers: str) -> Exchange:
    """Return the exchange that the client reports of an answer with these headers."""
    seen: list[Exchange] = []
    with says("200 OK", importer(PENDING), **headers) as server:
        client_of(server.url, seen=seen).importer("mprt_1")
    return seen[0]


class TestText:
    def test_words_of_an_error_are_cleaned(self) -> None:
        trouble = {"title": ODD, "details": ODD, "source": {"pointer": ODD}}
        error = error_after(says("422 No", {"errors": [trouble]}, Request_Id="req\0_1"))
        assert (error.title, error.detail, error.pointer) == (CLEAN, CLEAN, CLEAN)
        assert error.request_id == "req\N{REPLACEMENT CHARACTER}_1"

    @pytest.mark.parametrize("depth", [1, 900, 5_000])
    def test_nested_words_of_an_error_are_none(self, depth: int) -> None:
        nested = "[" * depth + "]" * depth
        body = f'{{"errors": [{{"title": {nested}, "details": {nested}}}]}}'
        error = error_after(says("422 No", body.encode()))
        assert error.words == "Persona answered 422."

    def test_status_is_cleaned(self) -> None:
        body = importer(PENDING | {"status": ODD})
        with client_and_server(says("200 OK", body)) as (client, _):
            assert client.importer("mprt_1").raw_status == CLEAN

    def test_name_of_a_list_is_cleaned(self) -> None:
        row = {"type": "list/face", "id": "lst_1", "attributes": {"name": ODD}}
        body = {"data": [row], "links": {"next": None}}
        with client_and_server(says("200 OK", body)) as (client, _):
            ((found,), _) = client.lists_page()
        assert found.name == CLEAN

    def test_surrogate_pair_is_a_character(self) -> None:
        body = importer(PENDING | {"status": "\N{GRINNING FACE}"})
        with client_and_server(says("200 OK", body)) as (client, server):
            assert client.importer("mprt_1").raw_status == "\N{GRINNING FACE}"

    @pytest.mark.parametrize("odd", ["mprt\0_1", "mprt\ud800_1", "\udfff"])
    def test_id_that_cannot_be_stored_is_unreadable(self, odd: str) -> None:
        body = importer(PENDING)
        body["data"]["id"] = odd
        assert type(error_after(says("201 Created", body))) is errors.Unreadable

    def test_request_id_of_an_exchange_is_cleaned_and_truncated(self) -> None:
        exchange = exchange_after(Request_Id="req\0" + "9" * 900)
        assert exchange.request_id == "req\N{REPLACEMENT CHARACTER}" + "9" * 96


class TestRateLimit:
    @pytest.mark.parametrize("name", ["RateLimit_Limit", "RateLimit_Remaining", "RateLimit_Reset"])
    @pytest.mark.parametrize(
        "odd", ["-1", "+1", "1_0", "12345678", "9" * 30, "9" * 5000, "١", "1\0"]
    )
    def test_odd_number_makes_the_rate_limit_none(self, name: str, odd: str) -> None:
        limit = {"RateLimit_Limit": "3", "RateLimit_Remaining": "2", "RateLimit_Reset": "1"}
        assert exchange_after(**limit).rate_limit == RateLimit(3, 2, 1)
        assert exchange_after(**limit | {name: odd}).rate_limit is None

    def test_wait_is_an_hour_at_most(self) -> None:
        limit = {"RateLimit_Limit": "3", "RateLimit_Remaining": "0", "RateLimit_Reset": "9999999"}
        assert exchange_after(**limit).rate_limit == RateLimit(3, 0, 3600)
        error = error_after(says("429 Too Many Requests", **limit))
        assert isinstance(error, errors.RateLimited)
        assert error.wait_seconds == 3600

    def test_odd_wait_is_none(self) -> None:
        limit = {"RateLimit_Limit": "3", "RateLimit_Remaining": "0", "RateLimit_Reset": "9" * 14}
        error = error_after(says("429 Too Many Requests", **limit))
        assert isinstance(error, errors.RateLimited)
        assert error.wait_seconds is None


class TestTimes:
    @pytest.mark.parametrize(
        "odd",
        [
            "2026-07-12T17:16:54.656",
            "2026-07-12",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-12:00",
        ],
    )
    def test_time_that_cannot_be_compared_counts_as_hidden(self, odd: str) -> None:
        body = importers("importer/face")
        body["data"][0]["attributes"] |= {"created-at": odd, "completed-at": odd}
        with client_and_server(says("200 OK", body)) as (client, _):
            page = client.importers_page()
        (row,) = page.faces
        assert (page.oldest, row.created_at, row.completed_at) == (None, None, None)

    @pytest.mark.parametrize(
        "odd",
        [
            "",
            "yesterday",
            "Sun, 12 Jul 2026 17:16:54 -0000",
            "Mon, 01 Jan 1601 00:00:00 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
            "Sun, 12 Jul 2026 17:16:54 +9999999999999999",
            "Sun, 12 Jul 2026 17:16:54 GMT\0",
        ],
    )
    def test_odd_date_is_none(self, odd: str) -> None:
        assert exchange_after(Date="Sun, 12 Jul 2026 17:16:54 GMT").date == datetime(
            2026, 7, 12, 17, 16, 54, tzinfo=UTC
        )
        assert exchange_after(Date=odd).date is None


class TestRedirects:
    @pytest.mark.parametrize(
        "to", ["http://[", "//[", "http://\0", "\N{GRINNING FACE}", "x" * 9000]
    )
    def test_malformed_redirect_is_an_error_of_persona(self, to: str) -> None:
        error: Any = error_after(says("302 Found", Location=to))
        assert (type(error), error.status) == (errors.ServerTrouble, 302)

    def test_redirect_that_never_ends_is_no_answer(self) -> None:
        script = drip(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
        began = time.monotonic()
        with Scripted(script) as server, pytest.raises(errors.NoAnswer):
            send(client_of(server.url, timeout=0.5))
        assert time.monotonic() - began < 5
