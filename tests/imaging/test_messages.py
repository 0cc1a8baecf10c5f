"""Messages between the image processes: what a child may not send."""

import io
import struct

import pytest

from importers.imaging import messages


def test_message_comes_back_as_it_was_packed() -> None:
    packed = messages.pack({"format": "JPEG"}, b"\x00\xff")
    assert messages.unpack(io.BytesIO(packed).read, 100) == ({"format": "JPEG"}, b"\x00\xff")


@pytest.mark.parametrize(
    "message",
    [
        struct.pack(">II", 2, 2**31) + b"{}",
        struct.pack(">II", 100, 0) + b"{}" + b" " * 98,
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 2, 0) + b"\xff{",
    ],
    ids=["many bytes", "many words", "no object", "no JSON"],
)
def test_anything_else_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        messages.unpack(io.BytesIO(message).read, 90)
