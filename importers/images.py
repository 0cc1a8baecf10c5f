"""Bytes in, facts out: what a file is, or why it is left out. Pure; no Django, no files.

The bytes decide, never the name or the browser's word. Pillow is held to the two formats that
Persona takes (help article 2SyBJcNqYRJX8sotVOmY7Z), `verify()` and `load()` are both run since
each finds damage that the other lets pass, and pixels are counted before any is decoded.
"""

import hashlib
import io
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass

from PIL import Image

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we count pixels ourselves

LEAST_BYTES, MOST_BYTES = 1_000, 10_000_000
LEAST_SIDE_PIXELS = 200
MOST_PIXELS = 50_000_000
THUMBNAIL_SIDE_PIXELS = 320
FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG"}  # MPO: a phone's JPEG with a second frame
DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, MemoryError, AttributeError),
    *(IndexError, KeyError, OverflowError, struct.error, zlib.error),
)
KNOWN_BEGINNINGS = (
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a WebP image or other RIFF file"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive or Office document"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)
_decoding = threading.BoundedSemaphore(2)  # the largest picture allowed takes some 200 MB


class LeftOut(Exception):
    """A file that is not sent: a stable `code`, and `sentence` for the person who gave it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True)
class Facts:
    """`format` is JPEG or PNG; `width` and `height` are pixels as stored, before orientation."""

    format: str
    width: int
    height: int
    byte_size: int
    sha256: str

    @property
    def extension(self) -> str:
        return {"JPEG": "jpg", "PNG": "png"}[self.format]


def check_size(byte_size: int) -> None:
    """Raises LeftOut for a file too small to be a face or larger than we take."""
    if byte_size == 0:
        raise LeftOut("empty", "The file is empty (0 bytes).")
    if byte_size > MOST_BYTES:
        raise LeftOut("too_large", f"The file is {_size(byte_size)}; at most 10 MB is taken.")


def inspect(data: bytes) -> Facts:
    """The facts of a whole, decodable JPEG or PNG within our limits; raises LeftOut otherwise."""
    check_size(len(data))
    width, height, kind = _header(data)
    if len(data) < LEAST_BYTES:
        raise LeftOut("too_small", f"The file is {_size(len(data))}; at least 1 KB is needed.")
    if width * height > MOST_PIXELS:
        megapixels = width * height / 1_000_000
        raise LeftOut(
            "too_many_pixels",
            f"The picture is {width} × {height} pixels ({megapixels:,.0f} megapixels); "
            "at most 50 megapixels are taken.",
        )
    if min(width, height) < LEAST_SIDE_PIXELS:
        raise LeftOut(
            "too_few_pixels",
            f"The picture is {width} × {height} pixels; at least 200 × 200 are needed.",
        )
    _decode(data)
    return Facts(kind, width, height, len(data), digest(data))


def digest(data: bytes) -> str:
    """SHA-256, in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def thumbnail(data: bytes) -> bytes:
    """A small upright JPEG of an accepted picture, without any of its metadata."""
    with _decoding, _open(data) as picture:
        picture.draft("RGB", (THUMBNAIL_SIDE_PIXELS * 2, THUMBNAIL_SIDE_PIXELS * 2))
        picture.thumbnail((THUMBNAIL_SIDE_PIXELS, THUMBNAIL_SIDE_PIXELS))
        turn = TURNS.get(_orientation(picture))
        if picture.mode == "I;16":  # whose tones above 255 convert() would all make white
            picture = picture.point(lambda tone: tone / 256)
        layer = picture.convert("RGBA")
        small = Image.new("RGB", layer.size, "white")
        small.paste(layer, mask=layer)
    if turn is not None:  # FLIP_LEFT_RIGHT is 0
        small = small.transpose(turn)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()


ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4 A
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _orientation(picture: Image.Image) -> int:
    """As the picture's EXIF says, or 1 (upright) where it says nothing that can be read."""
    try:
        orientation: int = picture.getexif().get(ORIENTATION, 1)
    except DAMAGE:
        return 1
    return orientation


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))


def _header(data: bytes) -> tuple[int, int, str]:
    try:
        with _open(data) as picture:
            animated = getattr(picture, "is_animated", False)
            kind = FORMATS[picture.format or ""]
            if animated and kind == "PNG":
                raise LeftOut("animated", "The picture is animated; give a still picture.")
            return picture.width, picture.height, kind
    except Image.DecompressionBombError as error:
        raise LeftOut(
            "too_many_pixels", "The picture has far more than the 50 megapixels that are taken."
        ) from error
    except DAMAGE as error:
        raise _unopened(data) from error


def _unopened(data: bytes) -> LeftOut:
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return LeftOut("damaged", "The picture is damaged or cut short: it cannot be opened.")
    return LeftOut(
        "not_jpeg_or_png",
        f"The file is {_kind(data)}; only JPEG and PNG are taken.",
    )


def _kind(data: bytes) -> str:
    for beginning, name in KNOWN_BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF image, or a video (export it as JPEG)"
    beginning = data[:1000].lower()
    if b"<svg" in beginning:
        return "an SVG drawing"
    if b"<html" in beginning or b"<!doctype html" in beginning:
        return "a web page (HTML)"
    return "of an unknown kind" if b"\x00" in data[:1000] else "text"


def _decode(data: bytes) -> None:
    """Decodes every pixel, for damage shows only there."""
    try:
        with _decoding:
            with _open(data) as picture:
                picture.verify()
            with _open(data) as picture:
                picture.load()
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise LeftOut(
            "damaged", "The picture is damaged or cut short: not all of it can be decoded."
        ) from error


def _size(byte_size: int) -> str:
    if byte_size < 1_000:
        return f"{byte_size} bytes"
    return (
        f"{byte_size / 1_000_000:.1f} MB"
        if byte_size >= 1_000_000
        else f"{byte_size / 1000:.0f} KB"
    )
