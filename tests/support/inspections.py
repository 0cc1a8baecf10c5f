"""Inspecting bytes, where a rejection can be the expected result."""

import pytest

from importers.imaging import inspection, thumbnails
from importers.imaging.decoding import Rejected, decoded
from importers.imaging.inspection import Facts


def rejection(data: bytes) -> Rejected:
    """Inspect bytes that must be rejected, and return why."""
    with pytest.raises(Rejected) as caught:
        inspection.inspect(data)
    return caught.value


def facts_or_rejection(data: bytes) -> Facts | Rejected:
    try:
        return inspection.inspect(data)
    except Rejected as why:
        return why


def thumbnail_of(data: bytes) -> bytes:
    """Return the thumbnail of a whole picture, which may break our limits on size."""
    with decoded(data, thumbnails.SIDE_PIXELS) as picture:
        return thumbnails.thumbnail(picture)
