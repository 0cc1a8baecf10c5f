"""Bytes in, facts out: what a file is, or why it is rejected. Pure: no Django, no files.

The bytes decide, never the name or the browser's content type, and pixels are counted before any
is decoded.
"""

import hashlib
from dataclasses import dataclass, field

from PIL import Image

from importers.imaging.decoding import DAMAGE, Rejected, TooCostly, decoded, open_picture
from importers.imaging.scans import count_scans
from importers.imaging.thumbnails import SIDE_PIXELS, thumbnail

MIN_BYTES, MAX_BYTES = 1_000, 10_000_000
MIN_SIDE_PIXELS = 200
MAX_PIXELS = 50_000_000
MAX_SCANS = 100  # cameras and editors write at most a dozen
FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG"}  # MPO: a phone's JPEG with a second frame
EXTENSIONS = {"JPEG": "jpg", "PNG": "png"}
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


@dataclass(frozen=True)
class Facts:
    """`format` is JPEG or PNG; `width` and `height` are pixels as stored, before orientation."""

    format: str
    width: int
    height: int
    thumbnail: bytes = field(repr=False)


def check_size(byte_size: int) -> None:
    """Raises Rejected for an empty file, or one larger than the limit."""
    if byte_size == 0:
        raise Rejected("empty", "The file is empty (0 bytes).")
    if byte_size > MAX_BYTES:
        raise Rejected("too_large", f"The file is {_size(byte_size)}; the limit is 10 MB.")


def inspect(data: bytes) -> Facts:
    """Return the facts of a whole, decodable JPEG or PNG within our limits. Raises Rejected.

    Only `child` calls it in the product, since decoding can take seconds and 0.4 GB.
    """
    try:
        return _inspect(data)
    except MemoryError as error:
        raise TooCostly from error


def _inspect(data: bytes) -> Facts:
    check_size(len(data))
    width, height, kind = _header(data)
    # After the header, so that a short text is rejected as text and not as too small.
    if len(data) < MIN_BYTES:
        raise Rejected("too_small", f"The file is {_size(len(data))}; the minimum is 1 KB.")
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1_000_000
        raise Rejected(
            "too_many_pixels",
            f"The image is {width} × {height} pixels ({megapixels:,.0f} megapixels); "
            "the limit is 50 megapixels.",
        )
    if min(width, height) < MIN_SIDE_PIXELS:
        raise Rejected(
            "too_few_pixels",
            f"The image is {width} × {height} pixels; the minimum is 200 × 200.",
        )
    if kind == "JPEG" and count_scans(data) > MAX_SCANS:
        raise TooCostly
    with decoded(data, SIDE_PIXELS) as picture:
        return Facts(kind, width, height, thumbnail(picture))


def digest(data: bytes) -> str:
    """Return the SHA-256, in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _header(data: bytes) -> tuple[int, int, str]:
    try:
        with open_picture(data) as picture:
            animated = getattr(picture, "is_animated", False)
            kind = FORMATS[picture.format or ""]
            if animated and kind == "PNG":
                raise Rejected("animated", "The image is animated. Use a still image.")
            return picture.width, picture.height, kind
    except Image.DecompressionBombError as error:
        raise Rejected(
            "too_many_pixels", "The image has far more pixels than the limit of 50 megapixels."
        ) from error
    except DAMAGE as error:
        raise _unopened(data) from error


def _unopened(data: bytes) -> Rejected:
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return Rejected("damaged", "The image is damaged or incomplete: it cannot be opened.")
    return Rejected(
        "not_jpeg_or_png", f"The file is {_kind(data)}; only JPEG and PNG are accepted."
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
    return "of an unknown type" if b"\x00" in data[:1000] else "text"


def _size(byte_size: int) -> str:
    if byte_size < 1_000:
        return f"{byte_size} bytes"
    return (
        f"{byte_size / 1_000_000:.1f} MB"
        if byte_size >= 1_000_000
        else f"{byte_size / 1000:.0f} KB"
    )
