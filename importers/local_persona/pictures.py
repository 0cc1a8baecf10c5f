import io
import os
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

FORMATS = ("JPEG", "PNG")
UNDECODABLE = (
    Image.DecompressionBombError,
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,  # only where the interpreter is told to raise them
    struct.error,
    zlib.error,
)


def decodes(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.verify()
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.draft(None, (1, 1))  # reads the whole JPEG, paints an eighth of it
            image.load()
    except UNDECODABLE:
        return False
    return True


def all_decode(contents: Sequence[bytes]) -> list[bool]:
    if not contents:
        return []
    with ThreadPoolExecutor(max_workers=min(len(contents), os.cpu_count() or 1)) as pool:
        return list(pool.map(decodes, contents))


def blank_png() -> bytes:
    out = io.BytesIO()
    Image.new("L", (1, 1), 200).save(out, "PNG")
    return out.getvalue()
