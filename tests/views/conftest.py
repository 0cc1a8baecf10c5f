"""Imports in the states that a page shows."""

import pytest
from pytest_django import Settings

from importers.audit.actors import Actor
from importers.models import FaceList, Import
from importers.worker import jobs
from tests.support.attestations import submit
from tests.support.makers import MakeDraft


@pytest.fixture
def draft(make_draft: MakeDraft, face_list: FaceList) -> Import:
    """A draft with three accepted images: face-0.jpg to face-2.jpg."""
    return make_draft(face_list, 3)


@pytest.fixture
def empty_draft(make_draft: MakeDraft, face_list: FaceList) -> Import:
    return make_draft(face_list, 0)


@pytest.fixture
def submitted(make_draft: MakeDraft, known_list: FaceList, actor: Actor) -> Import:
    """An import of three images in one batch, with a worker seen just now."""
    jobs.report_alive("the test's worker")
    return submit(make_draft(known_list, 3), actor)


@pytest.fixture
def three_batches(
    make_draft: MakeDraft, known_list: FaceList, actor: Actor, settings: Settings
) -> Import:
    """An import of three batches of one image each, with a worker seen just now."""
    settings.BATCH_MAX_IMAGES = 1
    jobs.report_alive("the test's worker")
    return submit(make_draft(known_list, 3), actor)
