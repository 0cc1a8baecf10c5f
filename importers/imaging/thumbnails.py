"""Thumbnails: a small upright JPEG of a decoded picture. Pure: no Django, no files."""

import io

from PIL import Image

from importers.imaging.decoding import DAMAGE

SIDE_PIXELS, LONGEST_SIDE_PIXELS = 256, 400
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


def thumbnail(picture: Image.Image) -> bytes:
    """Return a JPEG at most 400 pixels wide and high, with none of the picture's metadata."""
    turn = TURNS.get(_orientation(picture))
    if picture.mode == "I;16":  # Pillow cannot reduce it, and convert() turns tones > 255 white
        picture = picture.point(lambda tone: tone / 256).convert("L")
    layer = _reduced(picture)
    layer = layer.convert("RGBA" if layer.has_transparency_data else "RGB")
    # JPEG has no transparency: what shows through becomes white, not black.
    small = Image.new("RGB", layer.size, "white")
    small.paste(layer, mask=layer if layer.mode == "RGBA" else None)
    if turn is not None:  # FLIP_LEFT_RIGHT is 0
        small = small.transpose(turn)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()


def _reduced(picture: Image.Image) -> Image.Image:
    factor = max(picture.size) // SIDE_PIXELS
    # By a whole factor it costs half as much, and most pictures are small enough then.
    if factor > 1 and picture.mode not in ("1", "P"):  # colours of a palette have no mean
        picture = picture.reduce(factor)
    if max(picture.size) > LONGEST_SIDE_PIXELS:
        # As good as the default filter for a picture this small, at a quarter of its cost.
        picture.thumbnail((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.HAMMING, reducing_gap=1.0)
    return picture


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, or 1 (upright) if there is none that can be read."""
    try:
        orientation: int = picture.getexif().get(ORIENTATION, 1)
    except DAMAGE:
        return 1
    return orientation
