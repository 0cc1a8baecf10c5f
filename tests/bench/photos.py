"""Photos of about 250 KB, drawn once and made unique by a number behind their end."""

import io
import itertools
import random
from functools import cache
from pathlib import Path

from PIL import Image as Picture

MOTIFS = 8
_numbers = itertools.count()


def new_photos(count: int) -> dict[str, bytes]:
    """Return photos by their names. None is ever returned twice."""
    numbers = itertools.islice(_numbers, count)
    return {f"photo-{n:06}.jpg": _motif(n % MOTIFS) + n.to_bytes(8) for n in numbers}


def write_photos(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    for name, data in new_photos(count).items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


@cache
def _motif(seed: int) -> bytes:
    """Colours with the grain of a photo, which sets how long decoding takes for its bytes."""
    chance = random.Random(seed)  # noqa: S311
    colours = Picture.frombytes("RGB", (64, 64), chance.randbytes(64 * 64 * 3))
    grain = Picture.frombytes("L", (256, 256), chance.randbytes(256 * 256)).convert("RGB")
    side = (1024, 1024)
    blended = Picture.blend(colours.resize(side), grain.resize(side), 0.24)
    out = io.BytesIO()
    blended.save(out, "JPEG", quality=86)
    return out.getvalue()
