"""The bytes decide: every reason at its border, damage of every kind, and the thumbnails."""

import io
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from importers import images
from importers.images import Facts, LeftOut
from tests.support.pictures import CORPUS, draw

# Pillow warns of odd metadata and of many pixels. That is for a log; it refuses nothing.
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
# EXIF 2.32, 4.6.4 A: where the stored picture's first row and first column are to be seen.
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


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (240, 240)) -> Image.Image:
    picture = Image.open(io.BytesIO(draw(1, size=size)))
    return picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, *, filler: int = 0, rows: bytes | None = None) -> bytes:
    """A black PNG of one bit a pixel, made by hand; with `filler` bytes that say nothing."""
    if rows is None:
        rows = bytes((width + 7) // 8 + 1) * height
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9))]
    if filler:
        parts.insert(1, chunk(b"fiLl", bytes(filler)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def png_of(byte_size: int) -> bytes:
    """A good PNG of 200 × 200 pixels that is exactly so many bytes long."""
    data = png(200, 200, filler=byte_size - len(png(200, 200, filler=1)) + 1)
    assert len(data) == byte_size
    return data


def refusal(data: bytes) -> LeftOut:
    with pytest.raises(LeftOut) as caught:
        images.inspect(data)
    return caught.value


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


class TestFacts:
    def test_jpeg_facts_are_read_from_the_bytes(self) -> None:
        data = draw(3, size=(300, 240))
        facts = images.inspect(data)
        assert facts == Facts("JPEG", 300, 240, len(data), sha256(data).hexdigest())
        assert facts.extension == "jpg"

    def test_png_facts_are_read_from_the_bytes(self) -> None:
        data = draw(3, size=(300, 240), kind="PNG")
        facts = images.inspect(data)
        assert facts == Facts("PNG", 300, 240, len(data), sha256(data).hexdigest())
        assert facts.extension == "png"

    def test_width_and_height_ignore_the_orientation(self) -> None:
        data = saved(noise(size=(300, 240)), "JPEG", exif=exif(6))
        facts = images.inspect(data)
        assert (facts.width, facts.height) == (300, 240)

    def test_mpo_with_a_second_frame_is_a_jpeg(self) -> None:
        data = saved(noise(), "MPO", save_all=True, append_images=[noise().rotate(90)])
        assert opened(data).format == "MPO"
        assert images.inspect(data).format == "JPEG"

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_jpeg_of_any_colour_mode_is_accepted(self, mode: str) -> None:
        data = saved(noise(mode), "JPEG")
        assert opened(data).mode == mode
        assert images.inspect(data).format == "JPEG"

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16"])
    def test_png_of_any_colour_mode_is_accepted(self, mode: str) -> None:
        data = saved(noise(mode))
        assert opened(data).mode == mode
        assert images.inspect(data).format == "PNG"

    def test_progressive_jpeg_is_accepted(self) -> None:
        assert images.inspect(saved(noise(), "JPEG", progressive=True)).format == "JPEG"

    def test_trailing_bytes_do_not_damage_an_image(self) -> None:
        for data in (draw(1), draw(1, kind="PNG")):
            assert images.inspect(data + b"\x00" * 100).byte_size == len(data) + 100


class TestBorders:
    def test_empty_file_is_rejected_as_empty(self) -> None:
        why = refusal(b"")
        assert (why.code, why.sentence) == ("empty", "The file is empty (0 bytes).")

    def test_1000_bytes_are_enough(self) -> None:
        assert images.inspect(png_of(1_000)).byte_size == 1_000

    def test_999_bytes_are_too_small(self) -> None:
        why = refusal(png_of(999))
        assert why.code == "too_small"
        assert why.sentence == "The file is 999 bytes; at least 1 KB is needed."

    def test_10_million_bytes_are_accepted(self) -> None:
        assert images.inspect(png_of(10_000_000)).byte_size == 10_000_000

    def test_10_million_and_1_bytes_are_too_large(self) -> None:
        why = refusal(png_of(10_000_001))
        assert why.code == "too_large"
        assert why.sentence == "The file is 10.0 MB; at most 10 MB is taken."

    def test_size_check_rejects_empty_and_oversized_files(self) -> None:
        images.check_size(1)
        images.check_size(10_000_000)
        with pytest.raises(LeftOut, match="too_large"):
            images.check_size(10_000_001)
        with pytest.raises(LeftOut, match="empty"):
            images.check_size(0)

    def test_200_pixels_a_side_are_enough(self) -> None:
        facts = images.inspect(draw(size=(200, 200)))
        assert (facts.width, facts.height) == (200, 200)

    @pytest.mark.parametrize("size", [(199, 200), (200, 199), (199, 4000)])
    def test_199_pixels_on_either_side_are_too_few(self, size: tuple[int, int]) -> None:
        why = refusal(draw(size=size, kind="PNG"))
        assert why.code == "too_few_pixels"
        needed = f"The picture is {size[0]} × {size[1]} pixels; at least 200 × 200 are needed."
        assert why.sentence == needed

    def test_50_megapixels_are_accepted(self) -> None:
        facts = images.inspect(png(10_000, 5_000))
        assert facts.width * facts.height == 50_000_000

    def test_more_than_50_megapixels_are_too_many(self) -> None:
        why = refusal(png(212, 235_850))
        assert 212 * 235_850 == 50_000_200
        assert why.code == "too_many_pixels"

    def test_too_many_pixels_are_reported_in_megapixels(self) -> None:
        sentence = (
            "The picture is 10000 × 9000 pixels (90 megapixels); at most 50 megapixels are taken."
        )
        assert refusal(png(10_000, 9_000, rows=b"", filler=1_000)).sentence == sentence


class TestManyPixels:
    @pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
    def test_pixels_are_counted_before_decoding(self, side: int) -> None:
        """Were they decoded, they would prove to be damaged: there are hardly any rows."""
        data = png(side, side, rows=bytes(5_000), filler=1_000)
        tracemalloc.start()
        why = refusal(data)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert why.code == "too_many_pixels"
        assert peak_bytes < 1_000_000

    def test_decompression_bomb_needs_little_memory(self, tmp_path: Path) -> None:
        """Whole rows this time, in a process that may take only 400 MB."""
        bomb = tmp_path / "bomb.png"
        packed = zlib.compressobj(9)
        row = bytes(60_000 // 8 + 1)
        rows = b"".join(packed.compress(row * 1_000) for _ in range(60)) + packed.flush()
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
        parts = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
        bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        assert bomb.stat().st_size < 500_000
        program = (
            "import resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000))\n"
            "from importers import images\n"
            "try: images.inspect(open(sys.argv[1], 'rb').read())\n"
            "except images.LeftOut as why: sys.exit(why.code)\n"
        )
        child = [sys.executable, "-c", program, str(bomb)]
        ended = subprocess.run(child, capture_output=True, text=True, check=False, timeout=60)
        assert (ended.returncode, ended.stderr.strip()) == (1, "too_many_pixels")


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("face.jpg", draw())
    return out.getvalue()


NOT_PICTURES = {
    "text": (b"Dear sirs,\n" * 200, "text"),
    "html": (b"<!DOCTYPE html><html><body>" + b"x" * 2000, "a web page (HTML)"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "gif": (saved(noise("P"), "GIF"), "a GIF image"),
    "webp": (saved(noise(), "WEBP"), "a WebP image or other RIFF file"),
    "bmp": (saved(noise(), "BMP"), "a BMP image"),
    "tiff": (saved(noise(), "TIFF"), "a TIFF image"),
    "avif": (
        saved(noise(), "AVIF"),
        "a HEIC or AVIF image, or a video (export it as JPEG)",
    ),
    "heic": (
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(2000),
        "a HEIC or AVIF image, or a video (export it as JPEG)",
    ),
    "pdf": (saved(noise(), "PDF"), "a PDF document"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(2000), "a PostScript document"),
    "zip": (zipped(), "a ZIP archive or Office document"),
    "exe": (b"MZ\x90\x00" + bytes(2000), "a program"),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(2000), "a program"),
    "unknown": (b"\x01\x02\x03\x00" * 500, "of an unknown kind"),
}


@pytest.mark.parametrize("kind", NOT_PICTURES)
def test_file_of_another_kind_is_named(kind: str) -> None:
    data, words = NOT_PICTURES[kind]
    why = refusal(data)
    assert why.code == "not_jpeg_or_png"
    expected = f"The file is {words}; only JPEG and PNG are taken."
    assert why.sentence == expected


def test_only_the_jpeg_and_png_decoders_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have a long history of holes, and one of them starts Ghostscript."""
    called: list[str] = []

    def trap(name: str) -> Callable[..., None]:
        return lambda *_: called.append(name)

    Image.init()
    for name in set(Image.OPEN) - {"JPEG", "PNG"}:
        monkeypatch.setitem(Image.OPEN, name, (trap(name), None))
    for data, _ in NOT_PICTURES.values():
        assert refusal(data).code == "not_jpeg_or_png"
    assert images.inspect(draw()).format == "JPEG"
    assert called == []


def test_short_file_of_another_kind_is_reported_by_its_kind() -> None:
    assert refusal(b"Hello").code == "not_jpeg_or_png"


class TestDamage:
    @pytest.mark.parametrize("percent", [12, 25, 50, 75, 90, 99])
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_truncated_image_is_damaged(self, kind: str, percent: int) -> None:
        data = draw(2, size=(400, 400), kind=kind)
        why = refusal(data[: len(data) * percent // 100])
        assert why.code == "damaged"
        assert why.sentence.startswith("The picture is damaged or cut short: ")

    def test_jpeg_truncated_in_its_headers_is_damaged(self) -> None:
        data = saved(noise(), "JPEG", comment=b"x" * 2000)
        for length in (1_000, 1_500, 2_000, 2_300):
            assert refusal(data[:length]).code == "damaged"

    def test_jpeg_without_its_end_marker_is_damaged(self) -> None:
        data = draw()
        assert data.endswith(b"\xff\xd9")
        assert refusal(data[:-2]).code == "damaged"

    def test_png_without_its_end_chunk_is_damaged(self) -> None:
        assert refusal(draw(kind="PNG")[:-12]).code == "damaged"

    @pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"fiLl"])
    def test_png_chunk_with_a_wrong_checksum_is_damaged(self, kind: bytes) -> None:
        data = bytearray(png(200, 200, filler=1_000))
        start = data.index(kind)
        length = struct.unpack(">I", data[start - 4 : start])[0]
        data[start + 4 + length] ^= 0xFF
        assert refusal(bytes(data)).code == "damaged"

    def test_png_with_too_few_rows_is_damaged(self) -> None:
        assert refusal(png(300, 300, rows=bytes(100), filler=1_000)).code == "damaged"

    @pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
    def test_signature_without_an_image_is_damaged(self, start: bytes) -> None:
        assert refusal(start).code == "damaged"
        assert refusal(start + bytes(5_000)).code == "damaged"

    def test_metadata_bomb_is_damaged(self) -> None:
        bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(50_000_000), 9))
        data = draw(kind="PNG")
        assert refusal(data[:33] + bomb + data[33:]).code == "damaged"

    def test_animated_png_is_rejected(self) -> None:
        data = saved(noise(), save_all=True, append_images=[noise().rotate(90)])
        why = refusal(data)
        assert why.code == "animated"
        assert why.sentence == "The picture is animated; give a still picture."


BYTES = st.binary(max_size=4_000)
JPEG_START = draw()[:700]
MAGIC = st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", JPEG_START])
GOOD = {
    "JPEG": draw(5),
    "PNG": draw(5, kind="PNG"),
    "MPO": saved(noise(), "MPO", save_all=True, append_images=[noise()]),
    "palette": saved(noise("P")),
}
FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=12)


def facts_or_refusal(data: bytes) -> Facts | LeftOut:
    try:
        return images.inspect(data)
    except LeftOut as why:
        return why


class TestAnyBytes:
    @settings(deadline=None, max_examples=300)
    @given(start=MAGIC, rest=BYTES)
    def test_random_bytes_are_rejected_with_a_reason(self, start: bytes, rest: bytes) -> None:
        """Unless they begin as a good JPEG does: libjpeg makes a picture of nearly any scan."""
        outcome = facts_or_refusal(start + rest)
        if isinstance(outcome, Facts):
            assert (start, outcome.format) == (JPEG_START, "JPEG")
        else:
            assert outcome.code
            assert outcome.sentence.endswith(".")

    @settings(deadline=None, max_examples=400)
    @given(good=st.sampled_from(sorted(GOOD)), cut=st.floats(0, 1), flips=FLIPS)
    def test_corrupted_image_is_accepted_or_rejected(
        self, good: str, cut: float, flips: list[tuple[float, int]]
    ) -> None:
        """And what is taken can be shown."""
        data = bytearray(GOOD[good][: int(cut * len(GOOD[good])) + 1])
        for place, change in flips:
            data[int(place * len(data))] ^= change
        outcome = facts_or_refusal(bytes(data))
        if isinstance(outcome, Facts):
            assert outcome.byte_size == len(data)
            assert opened(images.thumbnail(bytes(data))).format == "JPEG"


def exif(orientation: int) -> Image.Exif:
    told = Image.Exif()
    told[images.ORIENTATION] = orientation
    told[0x010E] = SECRET
    return told


def corners(
    size: tuple[int, int], colour: Callable[[int, int], tuple[int, int, int]]
) -> Image.Image:
    """A picture of four coloured quarters."""
    picture = Image.new("RGB", size)
    for row in (0, 1):
        for column in (0, 1):
            x, y = column * size[0] // 2, row * size[1] // 2
            picture.paste(colour(row, column), (x, y, x + size[0] // 2, y + size[1] // 2))
    return picture


def stored_for(orientation: int) -> Image.Image:
    """The picture as a camera held so stores it; seen upright it is 300 × 400 and UPRIGHT."""
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


class TestThumbnails:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_thumbnail_stands_upright(self, kind: str, orientation: int) -> None:
        data = saved(stored_for(orientation), kind, exif=exif(orientation))
        small = opened(images.thumbnail(data))
        assert small.size == (240, 320)
        seen = seen_corners(small)
        assert all(near(seen[corner], UPRIGHT[corner]) for corner in UPRIGHT), seen

    @pytest.mark.parametrize("orientation", [0, 9, 65_535])
    def test_unknown_orientation_turns_nothing(self, orientation: int) -> None:
        data = saved(stored_for(1), "JPEG", exif=exif(orientation))
        seen = seen_corners(opened(images.thumbnail(data)))
        assert all(near(seen[corner], UPRIGHT[corner]) for corner in UPRIGHT), seen

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    @pytest.mark.parametrize("told", [b"", b"garbage", b"II*\x00\xff\xff\xff\xff", b"MM\x00*\x00"])
    def test_unreadable_metadata_turns_nothing(self, kind: str, told: bytes) -> None:
        data = saved(stored_for(1), kind, exif=b"Exif\x00\x00" + told)
        images.inspect(data)
        assert opened(images.thumbnail(data)).size == (240, 320)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_thumbnail_carries_no_metadata(self, kind: str) -> None:
        told = PngImagePlugin.PngInfo()
        told.add_text("Comment", SECRET)
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        comments: dict[str, dict[str, Any]] = {
            "PNG": {"pnginfo": told},
            "JPEG": {"comment": SECRET.encode()},
        }
        data = saved(noise(), kind, exif=exif(6), icc_profile=profile, **comments[kind])
        assert data.count(SECRET.encode()) == 2
        small = images.thumbnail(data)
        assert SECRET.encode() not in small
        assert not opened(small).getexif()
        assert set(opened(small).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}

    def test_thumbnail_of_a_large_image_is_small(self) -> None:
        small = images.thumbnail(draw(size=(4_000, 3_000)))
        assert opened(small).size == (320, 240)
        assert len(small) < 40_000

    def test_small_image_is_not_enlarged(self) -> None:
        assert opened(images.thumbnail(draw(size=(210, 205)))).size == (210, 205)

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
    def test_png_colours_are_shown_on_white(
        self, mode: str, colour: Any, seen: tuple[int, int, int]
    ) -> None:
        data = saved(Image.new(mode, (240, 240), colour))
        assert opened(data).mode == mode
        small = opened(images.thumbnail(data))
        assert small.mode == "RGB"
        assert near(colour_at(small, 100, 100), seen)

    def test_palette_and_transparency_are_shown_on_white(self) -> None:
        picture = Image.new("P", (240, 240), 1)
        picture.putpalette([0, 0, 0, 200, 40, 40])
        assert near(colour_at(opened(images.thumbnail(saved(picture))), 9, 9), (200, 40, 40))
        clear = saved(picture, transparency=1)
        assert near(colour_at(opened(images.thumbnail(clear)), 9, 9), (255, 255, 255))

    def test_cmyk_colours_are_shown(self) -> None:
        data = saved(Image.new("CMYK", (240, 240), (0, 255, 255, 0)), "JPEG")
        assert near(colour_at(opened(images.thumbnail(data)), 9, 9), (255, 0, 0))

    def test_first_frame_of_an_mpo_is_shown(self) -> None:
        red, blue = (Image.new("RGB", (240, 240), name) for name in ("red", "blue"))
        data = saved(red, "MPO", save_all=True, append_images=[blue])
        assert near(colour_at(opened(images.thumbnail(data)), 9, 9), (254, 0, 0))


def corpus_files(verdict: str) -> list[str]:
    """The files of corpus/bad that its MANIFEST.txt gives this verdict."""
    manifest = CORPUS / "bad" / "MANIFEST.txt"
    lines = manifest.read_text().splitlines() if manifest.exists() else []
    rows = [line.split("\t") for line in lines]
    return [row[0] for row in rows if len(row) > 2 and row[2] == verdict]


def corpus_faces() -> list[str]:
    folder = CORPUS / "faces"
    return sorted(path.name for path in folder.glob("*.*") if path.suffix != ".txt")


REJECTED, CLEAN, FACES = corpus_files("REJECT"), corpus_files("ACCEPT-CLEAN"), corpus_faces()
with_corpus = pytest.mark.skipif(not REJECTED, reason="no corpus lies beside the project")
# The manifest allows WebP too, and no least size: these are our own rules.
OUR_OWN_RULES = {"not_jpeg_or_png", "too_small", "too_few_pixels"}


@with_corpus
class TestCorpus:
    def test_corpus_is_complete(self) -> None:
        assert (len(REJECTED), len(CLEAN), len(FACES)) == (171, 47, 127)

    @pytest.mark.parametrize("name", REJECTED)
    def test_hostile_file_is_rejected(self, name: str) -> None:
        why = refusal((CORPUS / "bad" / name).read_bytes())
        assert why.code in {
            *("empty", "too_small", "too_large", "too_few_pixels", "too_many_pixels"),
            *("not_jpeg_or_png", "damaged", "animated"),
        }

    @pytest.mark.parametrize("name", CLEAN)
    def test_odd_but_whole_image_is_accepted_or_breaks_our_rules(self, name: str) -> None:
        data = (CORPUS / "bad" / name).read_bytes()
        outcome = facts_or_refusal(data)
        if isinstance(outcome, LeftOut):
            assert outcome.code in OUR_OWN_RULES
            if outcome.code == "not_jpeg_or_png":
                assert name.endswith(".webp")
        else:
            assert max(opened(images.thumbnail(data)).size) <= 320

    @pytest.mark.parametrize("name", FACES)
    def test_face_is_accepted_and_has_a_thumbnail(self, name: str) -> None:
        data = (CORPUS / "faces" / name).read_bytes()
        assert images.inspect(data).sha256 == sha256(data).hexdigest()
        assert max(opened(images.thumbnail(data)).size) <= 320
