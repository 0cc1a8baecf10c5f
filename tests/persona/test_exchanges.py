"""Every exchange is reported, and holds no secrets."""

import re

import pytest

from importers.local_persona import LocalPersona
from importers.persona import errors
from importers.persona.client import Exchange, ImageFile
from importers.persona.responses import RateLimit
from tests.support.persona_client import KEY, PHOTO, client_of, every_list
from tests.support.scripted_persona import says


class TestReport:
    def test_exchange_has_the_path_without_its_query(self, local: LocalPersona) -> None:
        seen: list[Exchange] = []
        client = client_of(local.url, seen=seen)
        client.importers_page()
        (exchange,) = seen
        assert (exchange.method, exchange.path) == ("GET", "/importers")
        assert (exchange.status, exchange.error) == (200, None)
        assert exchange.request_id.startswith("req_")
        assert exchange.rate_limit == RateLimit(300, 299, exchange.rate_limit.reset_seconds)  # type: ignore[union-attr]
        assert 0 < exchange.seconds < 5

    def test_each_page_is_an_exchange(self) -> None:
        seen: list[Exchange] = []
        with LocalPersona(api_key=KEY, seed=False) as local:
            for n in range(101):
                local.add_list(str(n))
            every_list(client_of(local.url, seen=seen))
        assert [exchange.path for exchange in seen] == ["/lists", "/lists"]

    def test_refusal_is_reported(self, local: LocalPersona) -> None:
        seen: list[Exchange] = []
        with pytest.raises(errors.NotFound):
            client_of(local.url, seen=seen).face_list("lst_none")
        assert (seen[0].path, seen[0].status) == ("/lists/lst_none", 404)
        assert isinstance(seen[0].error, errors.NotFound)
        assert seen[0].request_id == seen[0].error.request_id

    def test_unreadable_answer_is_reported(self) -> None:
        seen: list[Exchange] = []
        with says("200 OK", b"{", Request_Id="req_1") as server, pytest.raises(errors.Unreadable):
            client_of(server.url, seen=seen).importer("mprt_1")
        assert (seen[0].status, seen[0].request_id) == (200, "req_1")
        assert isinstance(seen[0].error, errors.Unreadable)

    def test_missing_answer_is_reported(self, local: LocalPersona, known: str) -> None:
        seen: list[Exchange] = []
        local.faults.inject("drop_unmade")
        with pytest.raises(errors.NoAnswer):
            client_of(local.url, seen=seen).import_faces(known, [PHOTO], "the-key")
        (exchange,) = seen
        assert (exchange.method, exchange.path) == ("POST", "/importer/list-item/faces")
        assert (exchange.status, exchange.request_id, exchange.rate_limit) == (None, "", None)
        assert isinstance(exchange.error, errors.NoAnswer)


class TestSecrets:
    @pytest.mark.parametrize(
        "fault",
        [
            *("drop_before_body", "drop_made", "broken_json", "no_id", "bad_gateway"),
            *("unauthorized", "unprocessable", "server_error", "rate_limited"),
        ],
    )
    def test_errors_hold_no_secrets(self, local: LocalPersona, known: str, fault: str) -> None:
        local.faults.inject(fault)
        photo = ImageFile("her-name.jpg", "image/jpeg", b"PHOTO BYTES")
        with pytest.raises(errors.PersonaError) as caught:
            client_of(local.url).import_faces(known, [photo], "the-key")
        error: BaseException | None = caught.value
        while error:
            for text in (str(error), repr(error)):
                assert "SECRETKEY" not in text
                assert "her-name" not in text
                assert "PHOTO" not in text
            error = error.__cause__ or error.__context__

    def test_repr_of_the_client_hides_the_api_key(self) -> None:
        assert "SECRETKEY" not in repr(client_of("http://127.0.0.1:1"))

    def test_exchange_holds_no_secrets(self, local: LocalPersona, known: str) -> None:
        seen: list[Exchange] = []
        photo = ImageFile("her-name.jpg", "image/jpeg", b"PHOTO BYTES")
        client_of(local.url, seen=seen).import_faces(known, [photo], "the-key")
        assert not re.search("SECRETKEY|her-name|PHOTO", repr(seen))
