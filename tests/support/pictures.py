"""Images that the tests draw themselves, and the corpus beside the project."""

import io
import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any

from django.conf import settings as project
from PIL import ExifTags
from PIL import Image as Picture

CORPUS = Path(project.BASE_DIR).parent / "shared" / "corpus"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def draw(seed: int = 0, *, size: tuple[int, int] = (240, 240), kind: str = "JPEG") -> bytes:
    """Draw an image of coloured noise; another seed gives other bytes."""
    small = Picture.frombytes("RGB", (30, 30), random.Random(seed).randbytes(30 * 30 * 3))  # noqa: S311
    return encode(small.resize(size), kind)


def draw_largest() -> bytes:
    """Draw a PNG of exactly 10 MB: noise, with bytes after its end."""
    noise = Picture.frombytes("RGB", (1_000, 1_000), os.urandom(3_000_000))
    return encode(noise, "PNG", compress_level=0).ljust(10_000_000, b"\x00")


def noise(mode: str = "RGB", size: tuple[int, int] = (240, 240)) -> Picture.Image:
    picture = decode(draw(1, size=size))
    return picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)


def solid(mode: str, size: tuple[int, int]) -> Picture.Image:
    return Picture.new(mode, size, 90 if mode == "L" else (10, 80, 90, 0))


def repeat_last_scan(jpeg: bytes, times: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again."""
    last, end = jpeg.rindex(b"\xff\xda"), jpeg.rindex(b"\xff\xd9")
    return jpeg[:end] + jpeg[last:end] * times + jpeg[end:]


def encode(picture: Picture.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def decode(data: bytes) -> Picture.Image:
    picture = Picture.open(io.BytesIO(data))
    picture.load()
    return picture


def exif(orientation: int, description: str = "") -> Picture.Exif:
    tags = Picture.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    if description:
        tags[ExifTags.Base.ImageDescription] = description
    return tags


def black_png(width: int, height: int, *, filler: int = 0, rows: bytes | None = None) -> bytes:
    """Build a black PNG with one bit per pixel.

    `filler` is the length of a chunk without meaning; `rows` replaces the pixels.
    """
    if rows is None:
        rows = bytes((width + 7) // 8 + 1) * height
    return png_from(width, height, zlib.compress(rows, 9), filler=filler)


def black_png_of(byte_size: int) -> bytes:
    """Build a valid PNG of 200 × 200 pixels with exactly this many bytes."""
    data = black_png(200, 200, filler=byte_size - len(black_png(200, 200, filler=1)) + 1)
    assert len(data) == byte_size
    return data


def png_from(width: int, height: int, compressed_rows: bytes, *, filler: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    filling = chunk(b"fiLl", bytes(filler)) if filler else b""
    pixels = chunk(b"IDAT", compressed_rows)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + filling + pixels + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    """Build a chunk of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum
