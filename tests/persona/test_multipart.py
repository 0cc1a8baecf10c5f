"""The body of a batch: the bytes that leave, and the memory that they take."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from urllib3 import encode_multipart_formdata
from urllib3.fields import RequestField

from importers.persona import errors
from importers.persona.client import ImageFile
from importers.persona.multipart import PIECE_BYTES, Body
from tests.support.keeping_persona import KeepingPersona, Talk, answer
from tests.support.persona_client import DRAWING, PHOTO, client_of, send
from tests.support.scripted_persona import reset

MEGABYTE = 1_000_000
IMAGES = 20


def photos() -> list[ImageFile]:
    """Return images of a megabyte each."""
    return [ImageFile(f"{n}.jpg", "image/jpeg", bytes([n]) * MEGABYTE) for n in range(IMAGES)]


def held_bytes() -> int:
    return tracemalloc.get_traced_memory()[0]


def discard_body(talk: Talk) -> None:
    left = int(talk.headers["Content-Length"])
    while left:
        left -= len(talk.rfile.read(min(left, 65_536)))


class TestBytes:
    def test_body_equals_that_of_urllib3(self) -> None:
        values = {"a": b"lst_1", "b[]": bytes(PIECE_BYTES), "c é": b"\xff\r\n" * 99, "d": b""}
        fields = [RequestField(name, data, f"é {name}.jpg") for name, data in values.items()]
        for field in fields:
            field.make_multipart(content_type="image/jpeg")
        headers = [field.render_headers() for field in fields]
        body = Body(zip(headers, values.values(), strict=True), "the-boundary")
        whole, content_type = encode_multipart_formdata(fields, "the-boundary")
        assert (len(body), body.content_type) == (len(whole), content_type)
        assert b"".join(body) == whole

    def test_large_file_leaves_in_pieces(self) -> None:
        body = Body([("", bytes(3 * PIECE_BYTES + 1))], "the-boundary")
        assert max(len(piece) for piece in body) == PIECE_BYTES

    def test_length_is_announced_and_nothing_is_chunked(self) -> None:
        bodies = []

        def note(talk: Talk) -> None:
            bodies.append(talk.read_body())
            talk.say()

        with KeepingPersona(note) as server:
            send(client_of(server.url))
        assert server.headers[0]["Content-Length"] == str(len(bodies[0]))
        assert "Transfer-Encoding" not in server.headers[0]
        assert bodies[0].endswith(DRAWING.data + b"\r\n" + bodies[0].splitlines()[0] + b"--\r\n")

    def test_nothing_leaves_after_the_deadline(self) -> None:
        body = Body([("", PHOTO.data)], "the-boundary")
        body.deadline = 0
        with pytest.raises(errors.NoAnswer, match="could not be sent to Persona in time"):
            list(body)
        assert not body.has_left


class TestMemory:
    @pytest.fixture(autouse=True)
    def traced(self) -> Iterator[None]:
        """Trace what is allocated, and collect nothing that a reference would free."""
        gc.collect()
        gc.disable()
        tracemalloc.start()
        yield
        tracemalloc.stop()
        gc.enable()

    def test_images_are_held_once_while_they_are_sent(self) -> None:
        def discard(talk: Talk) -> None:
            discard_body(talk)
            talk.say()

        with KeepingPersona(discard) as server:
            files = photos()
            tracemalloc.reset_peak()
            before = held_bytes()
            client_of(server.url).import_faces("lst_1", files, "the-key")
            peak = tracemalloc.get_traced_memory()[1]
        assert peak - before < 2 * MEGABYTE

    def test_images_are_let_go_before_persona_answers(self) -> None:
        held: list[int] = []

        def look(talk: Talk) -> None:
            discard_body(talk)
            held.append(held_bytes())
            talk.say()

        with KeepingPersona(look) as server:
            before = held_bytes()
            files = photos()
            client_of(server.url).import_faces("lst_1", files, "the-key")
        assert held[0] - before < 2 * MEGABYTE
        assert files == []

    def test_images_are_let_go_after_a_failure(self) -> None:
        def crash(talk: Talk) -> None:
            talk.rfile.read(3 * MEGABYTE)
            reset(talk.connection, talk.server.over)
            talk.close_connection = True

        with KeepingPersona(answer, crash) as server:
            client_of(server.url).importer("mprt_1")
            before = held_bytes()
            with pytest.raises(errors.NoAnswer):
                client_of(server.url).import_faces("lst_1", photos(), "the-key")
            assert held_bytes() - before < 3 * MEGABYTE
