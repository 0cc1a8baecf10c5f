"""Thumbnails: small, upright, on white, without metadata."""

from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from importers.imaging import inspection
from tests.support.inspections import thumbnail_of
from tests.support.pictures import decode, draw, encode, exif, noise

# Pillow warns about odd metadata and many pixels but refuses nothing, so we ignore it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]
SECRET = "Taken at home, 52.5200 N 13.4050 E"
UPRIGHT = {
    ("top", "left"): (220, 30, 30),
    ("top", "right"): (30, 200, 30),
    ("bottom", "left"): (30, 30, 220),
    ("bottom", "right"): (240, 240, 240),
}
# EXIF 2.32, 4.6.4 A: the sides on which the first row and first column are displayed.
FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def corners(
    size: tuple[int, int], colour: Callable[[int, int], tuple[int, int, int]]
) -> Image.Image:
    """Draw an image of four coloured quarters."""
    picture = Image.new("RGB", size)
    for row in (0, 1):
        for column in (0, 1):
            x, y = column * size[0] // 2, row * size[1] // 2
            picture.paste(colour(row, column), (x, y, x + size[0] // 2, y + size[1] // 2))
    return picture


def stored_for(orientation: int) -> Image.Image:
    """Draw the image as stored with this orientation; displayed it is 300 × 400 and UPRIGHT."""
    first_row, first_column = FIRST_ROW_AND_COLUMN[orientation]

    def colour(row: int, column: int) -> tuple[int, int, int]:
        sides = {OPPOSITE[first_row] if row else first_row}
        sides.add(OPPOSITE[first_column] if column else first_column)
        vertical, horizontal = sides & {"top", "bottom"}, sides & {"left", "right"}
        return UPRIGHT[vertical.pop(), horizontal.pop()]

    return corners((300, 400) if first_row in ("top", "bottom") else (400, 300), colour)


def seen_corners(picture: Image.Image) -> dict[tuple[str, str], tuple[int, ...]]:
    width, height = picture.size
    return {
        (vertical, horizontal): colour_at(picture, x, y)
        for vertical, y in (("top", height // 4), ("bottom", height * 3 // 4))
        for horizontal, x in (("left", width // 4), ("right", width * 3 // 4))
    }


def colour_at(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    colour = picture.getpixel((x, y))
    assert isinstance(colour, tuple)
    return colour


def near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(one - two) <= 12 for one, two in zip(colour, other, strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_thumbnail_stands_upright(kind: str, orientation: int) -> None:
    data = encode(stored_for(orientation), kind, exif=exif(orientation, SECRET))
    small = decode(thumbnail_of(data))
    assert small.size == (300, 400)
    seen = seen_corners(small)
    assert all(near(seen[corner], UPRIGHT[corner]) for corner in UPRIGHT), seen


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_unknown_orientation_turns_nothing(orientation: int) -> None:
    data = encode(stored_for(1), "JPEG", exif=exif(orientation, SECRET))
    seen = seen_corners(decode(thumbnail_of(data)))
    assert all(near(seen[corner], UPRIGHT[corner]) for corner in UPRIGHT), seen


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("metadata", [b"", b"garbage", b"II*\x00\xff\xff\xff\xff", b"MM\x00*\x00"])
def test_unreadable_metadata_turns_nothing(kind: str, metadata: bytes) -> None:
    data = encode(stored_for(1), kind, exif=b"Exif\x00\x00" + metadata)
    inspection.inspect(data)
    assert decode(thumbnail_of(data)).size == (300, 400)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_thumbnail_carries_no_metadata(kind: str) -> None:
    png_info = PngImagePlugin.PngInfo()
    png_info.add_text("Comment", SECRET)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    comments: dict[str, dict[str, Any]] = {
        "PNG": {"pnginfo": png_info},
        "JPEG": {"comment": SECRET.encode()},
    }
    data = encode(noise(), kind, exif=exif(6, SECRET), icc_profile=profile, **comments[kind])
    assert data.count(SECRET.encode()) == 2
    small = thumbnail_of(data)
    assert SECRET.encode() not in small
    assert not decode(small).getexif()
    assert set(decode(small).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(
    ("size", "reduced"),
    [
        ((4_000, 3_000), (256, 192)),
        ((1_024, 1_024), (256, 256)),
        ((1_200, 900), (300, 225)),
        ((600, 900), (171, 256)),
        ((401, 401), (256, 256)),
        ((1_278, 639), (320, 160)),
        ((400, 300), (400, 300)),
    ],
)
def test_thumbnail_of_a_large_image_is_small(
    size: tuple[int, int], reduced: tuple[int, int]
) -> None:
    small = thumbnail_of(draw(size=size))
    assert decode(small).size == reduced
    assert len(small) < 40_000


def test_small_image_is_not_enlarged() -> None:
    assert decode(thumbnail_of(draw(size=(210, 205)))).size == (210, 205)


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("RGB", (200, 40, 40), (200, 40, 40)),
        ("RGBA", (200, 40, 40, 255), (200, 40, 40)),
        ("RGBA", (200, 40, 40, 0), (255, 255, 255)),
        ("RGBA", (200, 40, 40, 128), (227, 147, 147)),
        ("L", 100, (100, 100, 100)),
        ("LA", (100, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 0x6400, (100, 100, 100)),
        ("I;16", 0xFFFF, (255, 255, 255)),
        ("I;16", 0x00FF, (0, 0, 0)),
    ],
)
def test_png_colours_are_shown_on_white(mode: str, colour: Any, seen: tuple[int, int, int]) -> None:
    data = encode(Image.new(mode, (240, 240), colour))
    assert decode(data).mode == mode
    small = decode(thumbnail_of(data))
    assert small.mode == "RGB"
    assert near(colour_at(small, 100, 100), seen)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_large_png_of_every_mode_is_reduced(mode: str) -> None:
    data = encode(
        noise().convert("L").convert(mode).resize((3_072, 3_072), Image.Resampling.NEAREST)
    )
    inspection.inspect(data)
    assert decode(data).mode == mode
    assert decode(thumbnail_of(data)).size == (256, 256)


def test_large_16_bit_grey_png_keeps_its_tones_and_stands_upright() -> None:
    picture = Image.new("I;16", (3_000, 4_000), 0xC800)
    picture.paste(Image.new("I;16", (3_000, 2_000), 0x6400), (0, 0))
    assert picture.getpixel((9, 9)) == 0x6400
    small = decode(thumbnail_of(encode(picture, exif=exif(6))))
    assert small.size == (267, 200)
    assert near(colour_at(small, 200, 100), (100, 100, 100)), "the stored top is on the right"
    assert near(colour_at(small, 60, 100), (200, 200, 200))


def test_palette_and_transparency_are_shown_on_white() -> None:
    picture = Image.new("P", (240, 240), 1)
    picture.putpalette([0, 0, 0, 200, 40, 40])
    assert near(colour_at(decode(thumbnail_of(encode(picture))), 9, 9), (200, 40, 40))
    clear = encode(picture, transparency=1)
    assert near(colour_at(decode(thumbnail_of(clear)), 9, 9), (255, 255, 255))


def test_cmyk_colours_are_shown() -> None:
    data = encode(Image.new("CMYK", (240, 240), (0, 255, 255, 0)), "JPEG")
    assert near(colour_at(decode(thumbnail_of(data)), 9, 9), (255, 0, 0))


def test_first_frame_of_an_mpo_is_shown() -> None:
    red, blue = (Image.new("RGB", (240, 240), name) for name in ("red", "blue"))
    data = encode(red, "MPO", save_all=True, append_images=[blue])
    assert near(colour_at(decode(thumbnail_of(data)), 9, 9), (254, 0, 0))
