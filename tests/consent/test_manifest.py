"""The manifest: exactly the accepted images of an import and their entries."""

import hashlib

import pytest

from importers.audit.actors import Actor
from importers.consent import manifest
from importers.consent.manifest import UnknownVersion
from importers.intake import drafts
from importers.models import Entry, FaceList, Image, Import
from tests.support.files import incoming, receive_one
from tests.support.image_rows import add_rows
from tests.support.makers import MakeDraft, MakeImports
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db
ZERO, ONE = f"{0:064x}", f"{1:064x}"
NO_NOTE = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
# printf 'Seen at two branches.' | sha256sum
NOTE = "d4287b86c3212bdef8be63f169a2842892e4e7c2d1206b4e08f65d91101ac7c3"


@pytest.fixture
def two_rows(make_imports: MakeImports) -> Import:
    """A draft with two images: the first has an entry, the second has none."""
    (draft,) = make_imports(1)
    add_rows(draft, 2)
    first = draft.files.filter(sha256=ZERO)
    first.update(
        subject_reference="S-17",
        case_reference="FR-2026-014",
        listing_reason="account_takeover",
        note="Seen at two branches.",
    )
    return draft


def test_line_has_both_hashes_the_entry_and_the_hash_of_the_note(two_rows: Import) -> None:
    assert manifest.lines(two_rows) == [
        f"{ZERO}\t{ZERO}\tS-17\tFR-2026-014\taccount_takeover\t{NOTE}",
        f"{ONE}\t{ONE}\t\t\t\t{NO_NOTE}",
    ]


def test_manifest_hash_equals_sha256sum(two_rows: Import) -> None:
    r"""printf '%s\n' "$line_1" "$line_2" | sha256sum"""
    by_sha256sum = "b6bbff00e5e940c4812628314515f7fffb8d71276f9fd7c9c457f5b4c96b5429"
    assert manifest.digest(manifest.lines(two_rows)) == by_sha256sum


def test_default_entry_fills_only_what_an_image_lacks(two_rows: Import) -> None:
    Image.objects.filter(sha256=ZERO).update(case_reference="")
    default = Entry(case_reference="FR-2", listing_reason="confirmed_fraud", note="Twice.")
    twice = hashlib.sha256(b"Twice.").hexdigest()
    assert manifest.lines(two_rows, default) == [
        f"{ZERO}\t{ZERO}\tS-17\tFR-2\taccount_takeover\t{NOTE}",
        f"{ONE}\t{ONE}\t\tFR-2\tconfirmed_fraud\t{twice}",
    ]


def test_lines_are_sorted_by_hash(draft: Import) -> None:
    in_upload_order = [hashlib.sha256(draw(seed)).hexdigest() for seed in range(3)]
    assert sorted(in_upload_order) != in_upload_order
    hashes = [line.partition("\t")[0] for line in manifest.lines(draft)]
    assert hashes == sorted(in_upload_order)


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


@pytest.mark.parametrize("version", [1, 3])
def test_other_version_is_not_known(version: int, draft: Import) -> None:
    with pytest.raises(UnknownVersion):
        manifest.lines(draft, version=version)
