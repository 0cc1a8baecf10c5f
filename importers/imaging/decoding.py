"""Opening and decoding pictures that may be damaged or hostile. Pure: no Django, no files.

Pillow is restricted to the two formats that Persona accepts (help article 2SyBJcNqYRJX8sotVOmY7Z).
`verify()` and `load()` are both run, since each finds damage that the other misses.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we count pixels ourselves

# Every error that Pillow has been seen to raise on damaged or hostile files.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, AttributeError),
    *(IndexError, KeyError, OverflowError, struct.error, zlib.error),
)


class Rejected(Exception):
    """A file that is not accepted: a stable `code`, and `sentence` for the person who gave it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


class TooCostly(Rejected):
    """A picture that would take more time or memory to decode than we give to one."""

    def __init__(self) -> None:
        super().__init__(
            "too_costly",
            "The image could not be processed: decoding it takes too much time or memory. "
            "Save it again as a plain (baseline) JPEG.",
        )


def open_picture(data: bytes) -> Image.Image:
    """Open a JPEG or PNG and read its header. Raises one of DAMAGE, or DecompressionBombError."""
    return Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))


@contextmanager
def decoded(data: bytes, side: int) -> Iterator[Image.Image]:
    """Decode all the data, since damage shows only there. Raises Rejected.

    A JPEG comes out at the smallest fraction of its size, down to an eighth, whose sides are not
    shorter than `side`, in pixels. All its data is read for that too, at half the cost.
    """
    try:
        with open_picture(data) as picture:
            picture.verify()
        picture = open_picture(data)  # opened again: verify() leaves it unusable
        picture.draft(None, (side, side))
        picture.load()
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise Rejected(
            "damaged", "The image is damaged or incomplete: not all of it can be decoded."
        ) from error
    with picture:
        yield picture
