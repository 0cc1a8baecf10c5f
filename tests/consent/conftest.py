"""A draft to sign."""

from collections.abc import Callable

import pytest

from importers.models import FaceList, Import


@pytest.fixture
def draft(make_draft: Callable[..., Import], face_list: FaceList) -> Import:
    """A draft with three accepted images."""
    return make_draft(face_list, 3)
