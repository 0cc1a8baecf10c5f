"""The scans of a JPEG: a small file that costs minutes to decode is rejected unread."""

import io
import time

import pytest
from PIL import Image as Picture

from importers.imaging import inspection
from importers.imaging.decoding import Rejected
from importers.imaging.scans import MAX_SEGMENTS, count_scans
from tests.support.pictures import draw, repeat_last_scan

START_OF_SCAN = b"\xff\xda"


def progressive(**options: object) -> bytes:
    out = io.BytesIO()
    with Picture.open(io.BytesIO(draw(1, size=(640, 480)))) as picture:
        picture.save(out, "JPEG", progressive=True, **options)
    return out.getvalue()


def test_scans_are_counted() -> None:
    assert count_scans(draw(1)) == 1
    few = count_scans(progressive())
    assert 2 < few < 20
    assert count_scans(repeat_last_scan(progressive(), 250)) == few + 250


def test_jpeg_with_many_scans_is_rejected_before_it_is_decoded() -> None:
    began = time.process_time()
    with pytest.raises(Rejected) as caught:
        inspection.inspect(repeat_last_scan(progressive(), 300))
    assert caught.value.code == "too_costly"
    assert "Save it again as a plain (baseline) JPEG." in caught.value.sentence
    assert time.process_time() - began < 0.5


def test_progressive_jpeg_of_an_editor_is_accepted() -> None:
    assert inspection.inspect(progressive()).format == "JPEG"


def test_bytes_inside_a_colour_profile_are_no_scans() -> None:
    jpeg = progressive(icc_profile=START_OF_SCAN * 5_000)
    assert count_scans(jpeg) == count_scans(progressive())
    assert inspection.inspect(jpeg).format == "JPEG"


def test_jpeg_of_very_many_segments_is_rejected() -> None:
    jpeg = draw(1)
    comments = b"\xff\xfe\x00\x02" * (MAX_SEGMENTS + 1)
    with pytest.raises(Rejected) as caught:
        inspection.inspect(jpeg[:2] + comments + jpeg[2:])
    assert caught.value.code == "too_costly"


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8\xff\xda", b"\xff\xd8\xff\xda\x00"])
def test_truncated_jpeg_ends_the_count(data: bytes) -> None:
    assert count_scans(data) <= 1
