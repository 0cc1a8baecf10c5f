"""Messages between `processes` and `child`: some words as JSON, then bytes. Pure: no Django.

Not pickled, because reading a pickle can run code, and a picture may have taken over the child.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

LENGTHS = struct.Struct(">II")  # of the JSON and of the bytes


def pack(words: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(words).encode()
    return b"".join((LENGTHS.pack(len(text), len(data)), text, data))


def unpack(read: Callable[[int], bytes], most_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Read one message. `read` returns exactly as many bytes as it is asked for.

    Raises ValueError for anything else than a message of at most this size.
    """
    text_length, data_length = LENGTHS.unpack(read(LENGTHS.size))
    if text_length + data_length > most_bytes:
        raise ValueError("The message is too long.")
    words = json.loads(read(text_length))
    if not isinstance(words, dict):
        raise ValueError("The message is not an object.")
    return words, read(data_length)
