"""Decoding: bombs, damage of every kind, random bytes, and the corpus."""

import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.imaging import inspection
from importers.imaging.decoding import Rejected
from importers.imaging.inspection import Facts
from tests.support.inspections import facts_or_rejection, rejection
from tests.support.pictures import (
    CORPUS,
    PNG_SIGNATURE,
    black_png,
    chunk,
    decode,
    draw,
    encode,
    noise,
    png_from,
)

# Pillow warns about odd metadata and many pixels but refuses nothing, so we ignore it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]


class TestBombs:
    @pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
    def test_pixels_are_counted_before_decoding(self, side: int) -> None:
        """Decoding would report damage instead, because nearly all rows are missing."""
        data = black_png(side, side, rows=bytes(5_000), filler=1_000)
        tracemalloc.start()
        why = rejection(data)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert why.code == "too_many_pixels"
        assert peak_bytes < 1_000_000

    def test_decompression_bomb_needs_little_memory(self, tmp_path: Path) -> None:
        """All rows are present, and the process may use only 400 MB."""
        bomb = tmp_path / "bomb.png"
        packed = zlib.compressobj(9)
        row = bytes(60_000 // 8 + 1)
        rows = b"".join(packed.compress(row * 1_000) for _ in range(60)) + packed.flush()
        bomb.write_bytes(png_from(60_000, 60_000, rows))
        assert bomb.stat().st_size < 500_000
        program = (
            "import resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000))\n"
            "from importers.imaging import decoding, inspection\n"
            "try: inspection.inspect(open(sys.argv[1], 'rb').read())\n"
            "except decoding.Rejected as why: sys.exit(why.code)\n"
        )
        child = [sys.executable, "-c", program, str(bomb)]
        ended = subprocess.run(child, capture_output=True, text=True, check=False, timeout=60)
        assert (ended.returncode, ended.stderr.strip()) == (1, "too_many_pixels")


class TestDamage:
    @pytest.mark.parametrize("percent", [12, 25, 50, 75, 90, 99])
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_truncated_image_is_damaged(self, kind: str, percent: int) -> None:
        data = draw(2, size=(400, 400), kind=kind)
        why = rejection(data[: len(data) * percent // 100])
        assert why.code == "damaged"
        assert why.sentence.startswith("The image is damaged or incomplete: ")

    def test_jpeg_truncated_in_its_headers_is_damaged(self) -> None:
        data = encode(noise(), "JPEG", comment=b"x" * 2000)
        for length in (1_000, 1_500, 2_000, 2_300):
            assert rejection(data[:length]).code == "damaged"

    def test_jpeg_without_its_end_marker_is_damaged(self) -> None:
        data = draw()
        assert data.endswith(b"\xff\xd9")
        assert rejection(data[:-2]).code == "damaged"

    def test_png_without_its_end_chunk_is_damaged(self) -> None:
        assert rejection(draw(kind="PNG")[:-12]).code == "damaged"

    @pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"fiLl"])
    def test_png_chunk_with_a_wrong_checksum_is_damaged(self, kind: bytes) -> None:
        data = bytearray(black_png(200, 200, filler=1_000))
        start = data.index(kind)
        length = struct.unpack(">I", data[start - 4 : start])[0]
        data[start + 4 + length] ^= 0xFF
        assert rejection(bytes(data)).code == "damaged"

    def test_png_with_too_few_rows_is_damaged(self) -> None:
        assert rejection(black_png(300, 300, rows=bytes(100), filler=1_000)).code == "damaged"

    @pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", PNG_SIGNATURE])
    def test_signature_without_an_image_is_damaged(self, start: bytes) -> None:
        assert rejection(start).code == "damaged"
        assert rejection(start + bytes(5_000)).code == "damaged"

    def test_metadata_bomb_is_damaged(self) -> None:
        bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(50_000_000), 9))
        data = draw(kind="PNG")
        assert rejection(data[:33] + bomb + data[33:]).code == "damaged"

    def test_animated_png_is_rejected(self) -> None:
        data = encode(noise(), save_all=True, append_images=[noise().rotate(90)])
        why = rejection(data)
        assert why.code == "animated"
        assert why.sentence == "The image is animated. Use a still image."


BYTES = st.binary(max_size=4_000)
JPEG_START = draw()[:700]
MAGIC = st.sampled_from([b"", b"\xff\xd8\xff\xe0", PNG_SIGNATURE, JPEG_START])
GOOD = {
    "JPEG": draw(5),
    "PNG": draw(5, kind="PNG"),
    "MPO": encode(noise(), "MPO", save_all=True, append_images=[noise()]),
    "palette": encode(noise("P")),
}
FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=12)


class TestRandomBytes:
    @settings(deadline=None, max_examples=300)
    @given(start=MAGIC, rest=BYTES)
    def test_random_bytes_are_rejected_with_a_reason(self, start: bytes, rest: bytes) -> None:
        """Only after a valid JPEG header may they pass: libjpeg decodes nearly any scan."""
        outcome = facts_or_rejection(start + rest)
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
        """An accepted image can be shown."""
        data = bytearray(GOOD[good][: int(cut * len(GOOD[good])) + 1])
        for place, change in flips:
            data[int(place * len(data))] ^= change
        outcome = facts_or_rejection(bytes(data))
        if isinstance(outcome, Facts):
            assert decode(outcome.thumbnail).format == "JPEG"


def corpus_files(verdict: str) -> list[str]:
    """Return the files of corpus/bad that have this verdict in its MANIFEST.txt."""
    manifest = CORPUS / "bad" / "MANIFEST.txt"
    text = manifest.read_text() if manifest.exists() else ""
    rows = [line.split("\t") for line in text.splitlines()]
    return [row[0] for row in rows if len(row) > 2 and row[2] == verdict]


def corpus_faces() -> list[str]:
    folder = CORPUS / "faces"
    return sorted(path.name for path in folder.glob("*.*") if path.suffix != ".txt")


REJECTED, CLEAN, FACES = corpus_files("REJECT"), corpus_files("ACCEPT-CLEAN"), corpus_faces()
with_corpus = pytest.mark.skipif(not REJECTED, reason="the corpus is not beside the project")
# The manifest also allows WebP and has no minimum size, so these rules are ours.
OUR_OWN_RULES = {"not_jpeg_or_png", "too_small", "too_few_pixels"}


@with_corpus
class TestCorpus:
    def test_corpus_is_complete(self) -> None:
        assert (len(REJECTED), len(CLEAN), len(FACES)) == (171, 47, 127)

    @pytest.mark.parametrize("name", REJECTED)
    def test_hostile_file_is_rejected(self, name: str) -> None:
        why = rejection((CORPUS / "bad" / name).read_bytes())
        assert why.code in {
            *("empty", "too_small", "too_large", "too_few_pixels", "too_many_pixels"),
            *("not_jpeg_or_png", "damaged", "animated"),
        }

    @pytest.mark.parametrize("name", CLEAN)
    def test_odd_but_whole_image_is_accepted_or_breaks_our_rules(self, name: str) -> None:
        data = (CORPUS / "bad" / name).read_bytes()
        outcome = facts_or_rejection(data)
        if isinstance(outcome, Rejected):
            assert outcome.code in OUR_OWN_RULES
            if outcome.code == "not_jpeg_or_png":
                assert name.endswith(".webp")
        else:
            assert max(decode(outcome.thumbnail).size) <= 400

    @pytest.mark.parametrize("name", FACES)
    def test_face_is_accepted_and_has_a_thumbnail(self, name: str) -> None:
        facts = inspection.inspect((CORPUS / "faces" / name).read_bytes())
        assert max(decode(facts.thumbnail).size) <= 400
