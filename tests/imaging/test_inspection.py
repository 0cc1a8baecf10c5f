"""Inspection: the facts of a file, and each reason for rejection at its limit."""

import io
import zipfile
from collections.abc import Callable

import pytest
from PIL import Image

from importers.imaging import inspection
from importers.imaging.decoding import Rejected
from tests.support.inspections import rejection
from tests.support.pictures import black_png, black_png_of, decode, draw, encode, exif, noise

# Pillow warns about odd metadata and many pixels but refuses nothing, so we ignore it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]


class TestFacts:
    def test_jpeg_facts_are_read_from_the_bytes(self) -> None:
        data = draw(3, size=(300, 240))
        facts = inspection.inspect(data)
        assert (facts.format, facts.width, facts.height) == ("JPEG", 300, 240)
        assert decode(facts.thumbnail).size == (300, 240)

    def test_png_facts_are_read_from_the_bytes(self) -> None:
        data = draw(3, size=(300, 240), kind="PNG")
        facts = inspection.inspect(data)
        assert (facts.format, facts.width, facts.height) == ("PNG", 300, 240)
        assert decode(facts.thumbnail).size == (300, 240)

    def test_width_and_height_ignore_the_orientation(self) -> None:
        data = encode(noise(size=(300, 240)), "JPEG", exif=exif(6))
        facts = inspection.inspect(data)
        assert (facts.width, facts.height) == (300, 240)

    def test_mpo_with_a_second_frame_is_a_jpeg(self) -> None:
        data = encode(noise(), "MPO", save_all=True, append_images=[noise().rotate(90)])
        assert decode(data).format == "MPO"
        assert inspection.inspect(data).format == "JPEG"

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_jpeg_of_any_colour_mode_is_accepted(self, mode: str) -> None:
        data = encode(noise(mode), "JPEG")
        assert decode(data).mode == mode
        assert inspection.inspect(data).format == "JPEG"

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16"])
    def test_png_of_any_colour_mode_is_accepted(self, mode: str) -> None:
        data = encode(noise(mode))
        assert decode(data).mode == mode
        assert inspection.inspect(data).format == "PNG"

    def test_progressive_jpeg_is_accepted(self) -> None:
        assert inspection.inspect(encode(noise(), "JPEG", progressive=True)).format == "JPEG"

    def test_trailing_bytes_do_not_damage_an_image(self) -> None:
        for data in (draw(1), draw(1, kind="PNG")):
            assert inspection.inspect(data + b"\x00" * 100).width == 240


class TestLimits:
    def test_empty_file_is_rejected_as_empty(self) -> None:
        why = rejection(b"")
        assert (why.code, why.sentence) == ("empty", "The file is empty (0 bytes).")

    def test_1000_bytes_are_enough(self) -> None:
        assert inspection.inspect(black_png_of(1_000)).format == "PNG"

    def test_999_bytes_are_too_small(self) -> None:
        why = rejection(black_png_of(999))
        assert why.code == "too_small"
        assert why.sentence == "The file is 999 bytes; the minimum is 1 KB."

    def test_10_million_bytes_are_accepted(self) -> None:
        assert inspection.inspect(black_png_of(10_000_000)).format == "PNG"

    def test_10_million_and_1_bytes_are_too_large(self) -> None:
        why = rejection(black_png_of(10_000_001))
        assert why.code == "too_large"
        assert why.sentence == "The file is 10.0 MB; the limit is 10 MB."

    def test_size_check_rejects_empty_and_oversized_files(self) -> None:
        inspection.check_size(1)
        inspection.check_size(10_000_000)
        with pytest.raises(Rejected, match="too_large"):
            inspection.check_size(10_000_001)
        with pytest.raises(Rejected, match="empty"):
            inspection.check_size(0)

    def test_200_pixels_a_side_are_enough(self) -> None:
        facts = inspection.inspect(draw(size=(200, 200)))
        assert (facts.width, facts.height) == (200, 200)

    @pytest.mark.parametrize("size", [(199, 200), (200, 199), (199, 4000)])
    def test_199_pixels_on_either_side_are_too_few(self, size: tuple[int, int]) -> None:
        why = rejection(draw(size=size, kind="PNG"))
        assert why.code == "too_few_pixels"
        needed = f"The image is {size[0]} × {size[1]} pixels; the minimum is 200 × 200."
        assert why.sentence == needed

    def test_50_megapixels_are_accepted(self) -> None:
        facts = inspection.inspect(black_png(10_000, 5_000))
        assert facts.width * facts.height == 50_000_000

    def test_more_than_50_megapixels_are_too_many(self) -> None:
        why = rejection(black_png(212, 235_850))
        assert 212 * 235_850 == 50_000_200
        assert why.code == "too_many_pixels"

    def test_too_many_pixels_are_reported_in_megapixels(self) -> None:
        sentence = "The image is 10000 × 9000 pixels (90 megapixels); the limit is 50 megapixels."
        assert rejection(black_png(10_000, 9_000, rows=b"", filler=1_000)).sentence == sentence


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("face.jpg", draw())
    return out.getvalue()


OTHER_KINDS = {
    "text": (b"Dear sirs,\n" * 200, "text"),
    "html": (b"<!DOCTYPE html><html><body>" + b"x" * 2000, "a web page (HTML)"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "gif": (encode(noise("P"), "GIF"), "a GIF image"),
    "webp": (encode(noise(), "WEBP"), "a WebP image or other RIFF file"),
    "bmp": (encode(noise(), "BMP"), "a BMP image"),
    "tiff": (encode(noise(), "TIFF"), "a TIFF image"),
    "avif": (
        encode(noise(), "AVIF"),
        "a HEIC or AVIF image, or a video (export it as JPEG)",
    ),
    "heic": (
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(2000),
        "a HEIC or AVIF image, or a video (export it as JPEG)",
    ),
    "pdf": (encode(noise(), "PDF"), "a PDF document"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(2000), "a PostScript document"),
    "zip": (zipped(), "a ZIP archive or Office document"),
    "exe": (b"MZ\x90\x00" + bytes(2000), "a program"),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(2000), "a program"),
    "unknown": (b"\x01\x02\x03\x00" * 500, "of an unknown type"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_file_of_another_kind_is_named(kind: str) -> None:
    data, words = OTHER_KINDS[kind]
    why = rejection(data)
    assert why.code == "not_jpeg_or_png"
    expected = f"The file is {words}; only JPEG and PNG are accepted."
    assert why.sentence == expected


def test_only_the_jpeg_and_png_decoders_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's other decoders have many known holes, and one of them starts Ghostscript."""
    called: list[str] = []

    def trap(name: str) -> Callable[..., None]:
        return lambda *_: called.append(name)

    Image.init()
    for name in set(Image.OPEN) - {"JPEG", "PNG"}:
        monkeypatch.setitem(Image.OPEN, name, (trap(name), None))
    for data, _ in OTHER_KINDS.values():
        assert rejection(data).code == "not_jpeg_or_png"
    assert inspection.inspect(draw()).format == "JPEG"
    assert called == []


def test_short_file_of_another_kind_is_reported_by_its_kind() -> None:
    assert rejection(b"Hello").code == "not_jpeg_or_png"
