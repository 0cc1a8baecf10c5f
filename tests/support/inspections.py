"""Inspecting bytes, where a rejection is the expected result."""

import pytest

from importers import images
from importers.images import Facts, LeftOut


def rejection(data: bytes) -> LeftOut:
    """Inspect bytes that must be rejected, and return why."""
    with pytest.raises(LeftOut) as caught:
        images.inspect(data)
    return caught.value


def facts_or_rejection(data: bytes) -> Facts | LeftOut:
    try:
        return images.inspect(data)
    except LeftOut as why:
        return why
