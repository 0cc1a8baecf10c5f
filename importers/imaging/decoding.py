"""Opening and decoding pictures that may be damaged or hostile. Pure: no Django, no files.

Pillow is restricted to the two formats that Persona accepts (help article 2SyBJcNqYRJX8sotVOmY7Z).
`verify()` and `load()` are both run, since each finds damage that the other misses.
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we count pixels ourselves

# Every error that Pillow has been seen to raise on damaged or hostile files.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, MemoryError, AttributeError),
    *(IndexError, KeyError, OverflowError, struct.error, zlib.error),
)
_decoding = threading.BoundedSemaphore(2)  # the largest picture allowed needs some 200 MB


class Rejected(Exception):
    """A file that is not accepted: a stable `code`, and `sentence` for the person who gave it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


def open_picture(data: bytes) -> Image.Image:
    """Open a JPEG or PNG and read its header. Raises one of DAMAGE, or DecompressionBombError."""
    return Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))


@contextmanager
def decoding(data: bytes) -> Iterator[Image.Image]:
    """Open a picture to decode it. At most two are decoded at a time in this process."""
    with _decoding, open_picture(data) as picture:
        yield picture


def decode_all(data: bytes) -> None:
    """Decode every pixel, since damage shows only there. Raises Rejected."""
    try:
        with decoding(data) as picture:
            picture.verify()
        with decoding(data) as picture:  # opened again: verify() leaves it unusable
            picture.load()
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise Rejected(
            "damaged", "The image is damaged or incomplete: not all of it can be decoded."
        ) from error
