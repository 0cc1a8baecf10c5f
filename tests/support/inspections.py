"""Inspecting bytes, where a rejection is the expected result."""

import pytest

from importers.imaging import inspection
from importers.imaging.decoding import Rejected
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
