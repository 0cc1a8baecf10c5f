"""A folder of images and the options to import it."""

import json
from pathlib import Path

import pytest

from importers.models import FaceList, Person
from tests.support.attestations import SIGNATURE
from tests.support.import_faces import import_faces
from tests.support.pictures import draw


@pytest.fixture
def attestation(tmp_path: Path) -> Path:
    """The template of an attestation, as printed by the command, signed."""
    path = tmp_path / "attestation.json"
    path.write_text(json.dumps(json.loads(import_faces("--attestation-template").out) | SIGNATURE))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a.jpg, inner/b.jpg and inner/c.png."""
    path = tmp_path / "faces"
    (path / "inner").mkdir(parents=True)
    (path / "a.jpg").write_bytes(draw(1))
    (path / "inner" / "b.jpg").write_bytes(draw(2))
    (path / "inner" / "c.png").write_bytes(draw(3, kind="PNG"))
    return path


@pytest.fixture
def options(known_list: FaceList, officer: Person, attestation: Path) -> tuple[object, ...]:
    """The required options, complete and valid."""
    return (
        *("--list", known_list.persona_id),
        *("--user", "officer", "--attestation", attestation),
    )
