"""A draft to sign."""

import pytest

from importers.models import FaceList, Import
from tests.support.makers import MakeDraft


@pytest.fixture
def draft(make_draft: MakeDraft, face_list: FaceList) -> Import:
    """A draft with three accepted images."""
    return make_draft(face_list, 3)
