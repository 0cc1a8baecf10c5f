"""Images that the tests draw themselves, and the corpus beside the project."""

import io
import os
import random
from pathlib import Path

from django.conf import settings as project
from PIL import Image as Picture

CORPUS = Path(project.BASE_DIR).parent / "shared" / "corpus"


def draw(seed: int = 0, *, size: tuple[int, int] = (240, 240), kind: str = "JPEG") -> bytes:
    """Draw an image of coloured noise; another seed gives other bytes."""
    small = Picture.frombytes("RGB", (30, 30), random.Random(seed).randbytes(30 * 30 * 3))  # noqa: S311
    out = io.BytesIO()
    small.resize(size).save(out, kind)
    return out.getvalue()


def draw_largest() -> bytes:
    """Draw a PNG of exactly 10 MB: noise, with bytes after its end."""
    noise = Picture.frombytes("RGB", (1_000, 1_000), os.urandom(3_000_000))
    out = io.BytesIO()
    noise.save(out, "PNG", compress_level=0)
    return out.getvalue().ljust(10_000_000, b"\x00")
