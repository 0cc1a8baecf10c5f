"""The manifest: exactly the accepted images of an import."""

import hashlib

import pytest

from importers.audit.actors import Actor
from importers.consent import manifest
from importers.intake import drafts
from importers.models import FaceList, Import
from tests.support.files import incoming, receive_one
from tests.support.makers import MakeDraft
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db


def manifest_hash(face_import: Import) -> str:
    return manifest.digest(manifest.lines(face_import))


def test_manifest_is_the_sorted_hashes_of_accepted_images(draft: Import) -> None:
    expected = sorted(hashlib.sha256(draw(seed)).hexdigest() for seed in range(3))
    in_upload_order = [hashlib.sha256(draw(seed)).hexdigest() for seed in range(3)]
    assert expected != in_upload_order
    assert manifest.lines(draft) == expected


def test_manifest_hash_covers_one_row_per_image(draft: Import) -> None:
    hashes = sorted(hashlib.sha256(draw(seed)).hexdigest() for seed in range(3))
    by_hand = hashlib.sha256(f"{hashes[0]}\n{hashes[1]}\n{hashes[2]}\n".encode()).hexdigest()
    assert manifest_hash(draft) == by_hand


def test_manifest_hash_equals_sha256sum() -> None:
    """printf 'aa\\nbb\\n' | sha256sum"""
    by_sha256sum = "329d670e59ead1543a2d36865895972560bc434204c5f4a0c8219005dd312719"
    assert manifest.digest(["aa", "bb"]) == by_sha256sum


def test_manifest_does_not_depend_on_upload_order(face_list: FaceList, actor: Actor) -> None:
    imports = [drafts.open_draft(face_list, actor) for _ in range(2)]
    for seeds, draft in zip(((0, 1, 2), (2, 0, 1)), imports, strict=True):
        for seed in seeds:
            receive_one(draft, incoming(f"{seed}.jpg", draw(seed)), actor)
    assert manifest.lines(imports[0]) == manifest.lines(imports[1])


def test_manifest_excludes_rejected_files(draft: Import, actor: Actor) -> None:
    before = manifest.lines(draft)
    receive_one(draft, incoming("a.txt", b"a"), actor)
    receive_one(draft, incoming("again.jpg", draw()), actor)
    assert draft.files.count() == 5
    assert manifest.lines(draft) == before


def test_manifest_excludes_other_imports(
    draft: Import, make_draft: MakeDraft, face_list: FaceList
) -> None:
    before = manifest.lines(draft)
    make_draft(face_list, 2, first_seed=10)
    assert manifest.lines(draft) == before
