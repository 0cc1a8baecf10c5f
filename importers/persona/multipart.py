"""The body of a form, sent piece by piece, so that its files are never held twice."""

from collections.abc import Iterable, Iterator
from math import inf

from importers.persona import errors
from importers.persona.deadline import now

# The timeout of a socket applies to each piece, so a slow line must manage one in that time.
PIECE_BYTES = 262_144


class Body:
    """A multipart form whose length is known. Each file is let go as soon as it was sent.

    `has_left` is True once a part of it was sent. After `deadline` nothing more is sent.
    """

    def __init__(self, fields: Iterable[tuple[str, bytes]], boundary: str) -> None:
        """Make a form of fields, each with its headers and its data."""
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.deadline = inf
        self.has_left = False
        self._left: list[bytes] = []
        opening = f"--{boundary}\r\n"
        for headers, data in fields:
            self._left += [f"{opening}{headers}".encode(), data]
            opening = f"\r\n--{boundary}\r\n"
        self._left.append(f"\r\n--{boundary}--\r\n".encode())
        self._length = sum(map(len, self._left))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            data = self._left.pop(0)
            for start in range(0, len(data), PIECE_BYTES):
                if now() > self.deadline:
                    raise errors.NoAnswer("The request could not be sent to Persona in time.")
                self.has_left = True
                yield data[start : start + PIECE_BYTES]

    def clear(self) -> None:
        """Let go of what was not sent."""
        self._left.clear()
