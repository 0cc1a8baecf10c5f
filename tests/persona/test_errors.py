"""Which error each refusal of Persona raises, and what the error carries."""

from typing import Any

import pytest

from importers.local_persona import LocalPersona
from importers.persona import errors
from importers.persona.client import Exchange
from importers.persona.responses import RateLimit
from tests.support.persona_client import DRAWING, PHOTO, client_of, error_after
from tests.support.scripted_persona import PENDING, importer, says


class TestRefusal:
    @pytest.mark.parametrize(
        ("fault", "kind", "status", "words"),
        [
            ("unauthorized", errors.KeyRefused, 401, "Token is invalid"),
            (
                "forbidden",
                errors.KeyRefused,
                403,
                "Forbidden: IP address is not permitted access to current environment",
            ),
            ("not_found", errors.NotFound, 404, "Record not found"),
            (
                "conflict",
                errors.Conflict,
                409,
                "Conflict: Attempted to update a record that was just modified. Please try again.",
            ),
            (
                "bad_request",
                errors.Refused,
                400,
                "Bad Request: data.attributes.list-id must be a string",
            ),
            (
                "unprocessable",
                errors.Refused,
                422,
                "Unprocessable entity: File must be under 2 bytes",
            ),
            ("server_error", errors.ServerTrouble, 500, "Internal server error"),
            ("unavailable", errors.ServerTrouble, 503, "Service unavailable"),
            ("bad_gateway", errors.ServerTrouble, 502, "Persona is temporarily unavailable (502)."),
            (
                "bad_gateway_made",
                errors.ServerTrouble,
                502,
                "Persona is temporarily unavailable (502).",
            ),
        ],
    )
    def test_each_refusal_has_its_error(
        self,
        local: LocalPersona,
        known: str,
        fault: str,
        kind: type[errors.PersonaError],
        status: int,
        words: str,
    ) -> None:
        local.faults.inject(fault)
        with pytest.raises(errors.PersonaError) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert type(caught.value) is kind
        assert caught.value.status == status
        assert caught.value.words == words
        unavailable = f"Persona is temporarily unavailable ({status})."
        refused = f"Persona answered {status}."
        assert str(caught.value) == (unavailable if status >= 500 else refused)

    def test_error_carries_request_id_and_pointer(self) -> None:
        trouble = {"title": "Record invalid", "source": {"pointer": "/data/attributes/list-id"}}
        error = error_after(says("422 No", {"errors": [trouble]}, Request_Id="req_9"))
        assert (error.request_id, error.pointer) == ("req_9", "/data/attributes/list-id")

    def test_key_used_with_other_files_is_key_reused(self, local: LocalPersona, known: str) -> None:
        client = client_of(local.url)
        client.import_faces(known, [PHOTO], "the-key")
        with pytest.raises(errors.KeyReused) as caught:
            client.import_faces(known, [DRAWING], "the-key")
        assert caught.value.title == "Idempotency error"
        assert len(local.ledger()) == 1

    @pytest.mark.parametrize(
        ("status", "kind"), [(422, errors.Refused), (500, errors.ServerTrouble)]
    )
    def test_only_a_400_can_be_key_reused(
        self, status: int, kind: type[errors.PersonaError]
    ) -> None:
        body = {"errors": [{"title": "Idempotency error"}]}
        assert type(error_after(says(f"{status} No", body))) is kind

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (302, errors.ServerTrouble),
            (400, errors.Refused),
            (402, errors.Refused),
            (405, errors.Refused),
            (408, errors.ServerTrouble),
            (413, errors.Refused),
            (415, errors.Refused),
            (504, errors.ServerTrouble),
            (599, errors.ServerTrouble),
        ],
    )
    def test_other_error_status_follows_its_class(
        self, status: int, kind: type[errors.PersonaError]
    ) -> None:
        assert type(error_after(says(f"{status} Something"))) is kind

    @pytest.mark.parametrize(
        "body",
        [
            {"errors": []},
            {"errors": "no"},
            {"errors": ["no"]},
            {"errors": {"title": "no"}},
            {"errors": [{"title": None, "details": None, "source": None}]},
            {"errors": [{"source": "/data"}]},
            {"errors": [{"source": {"pointer": None}}]},
            [],
            b"[" * 100_000,
        ],
    )
    def test_refusal_may_have_an_unexpected_body(self, body: Any) -> None:
        error = error_after(says("422 No", body))
        assert type(error) is errors.Refused
        assert (error.words, error.pointer) == ("Persona answered 422.", "")

    def test_long_words_are_truncated(self) -> None:
        long = {"title": "t" * 9000, "details": "d" * 9000, "source": {"pointer": "p" * 9000}}
        error = error_after(says("422 No", {"errors": [long]}))
        assert (len(error.title), len(error.detail), len(error.pointer)) == (300, 2000, 300)


class TestRateLimit:
    def test_rate_limit_error_says_how_long_to_wait(self, local: LocalPersona, known: str) -> None:
        local.faults.inject("rate_limited", reset_seconds=17)
        with pytest.raises(errors.RateLimited) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert caught.value.wait_seconds == 17

    def test_rate_limit_error_may_lack_a_wait(self, local: LocalPersona, known: str) -> None:
        local.faults.inject("rate_limited_bare")
        with pytest.raises(errors.RateLimited) as caught:
            client_of(local.url).import_faces(known, [PHOTO], "the-key")
        assert caught.value.wait_seconds is None

    def test_rate_limit_headers_are_read_in_any_case(self) -> None:
        seen: list[Exchange] = []
        limit = {"ratelimit_limit": "300", "RATELIMIT_REMAINING": "280", "RateLimit_Reset": "53"}
        with says("404 No", **limit) as server, pytest.raises(errors.NotFound):
            client_of(server.url, seen=seen).importer("mprt_1")
        assert seen[0].rate_limit == RateLimit(limit=300, remaining=280, reset_seconds=53)

    @pytest.mark.parametrize("reset_after", ["soon", "", "1.5"])
    def test_malformed_rate_limit_is_none(self, reset_after: str) -> None:
        seen: list[Exchange] = []
        limit = {"RateLimit_Limit": "3", "RateLimit_Remaining": "2", "RateLimit_Reset": reset_after}
        with says("200 OK", importer(PENDING), **limit) as server:
            client_of(server.url, seen=seen).importer("mprt_1")
        assert seen[0].rate_limit is None
