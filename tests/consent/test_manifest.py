"""The manifest: exactly the accepted images of an import."""

import hashlib

import pytest

from importers import consent, intake
from importers.audit import Actor
from importers.models import FaceList, Import
from tests.support.makers import MakeDraft
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db


def manifest_hash(face_import: Import) -> str:
    return consent.manifest_sha256(consent.manifest(face_import))


def test_manifest_is_the_sorted_hashes_of_accepted_images(draft: Import) -> None:
    expected = sorted(hashlib.sha256(draw(seed)).hexdigest() for seed in range(3))
    in_upload_order = [hashlib.sha256(draw(seed)).hexdigest() for seed in range(3)]
    assert expected != in_upload_order
    assert consent.manifest(draft) == expected


def test_manifest_hash_covers_one_row_per_image(draft: Import) -> None:
    hashes = sorted(hashlib.sha256(draw(seed)).hexdigest() for seed in range(3))
    by_hand = hashlib.sha256(f"{hashes[0]}\n{hashes[1]}\n{hashes[2]}\n".encode()).hexdigest()
    assert manifest_hash(draft) == by_hand


def test_manifest_hash_equals_sha256sum() -> None:
    """printf 'aa\\nbb\\n' | sha256sum"""
    by_sha256sum = "329d670e59ead1543a2d36865895972560bc434204c5f4a0c8219005dd312719"
    assert consent.manifest_sha256(["aa", "bb"]) == by_sha256sum


def test_manifest_does_not_depend_on_upload_order(face_list: FaceList, actor: Actor) -> None:
    imports = [intake.open_draft(face_list, actor) for _ in range(2)]
    for seeds, draft in zip(((0, 1, 2), (2, 0, 1)), imports, strict=True):
        for seed in seeds:
            intake.take(draft, f"{seed}.jpg", draw(seed), len(draw(seed)), actor)
    assert consent.manifest(imports[0]) == consent.manifest(imports[1])


def test_manifest_excludes_rejected_files(draft: Import, actor: Actor) -> None:
    before = consent.manifest(draft)
    intake.take(draft, "a.txt", b"a", 1, actor)
    intake.take(draft, "again.jpg", draw(), len(draw()), actor)
    assert draft.files.count() == 5
    assert consent.manifest(draft) == before


def test_manifest_excludes_other_imports(
    draft: Import, make_draft: MakeDraft, face_list: FaceList
) -> None:
    before = consent.manifest(draft)
    make_draft(face_list, 2, first_seed=10)
    assert consent.manifest(draft) == before
