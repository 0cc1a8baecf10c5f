"""Searching for the records of a file by what an auditor knows of it."""

from typing import Any

import pytest

from importers.audit.actors import Actor
from importers.models import Batch, Image, Import, Person
from importers.reporting.search import MOST, Answer, Query, search
from tests.support.attestations import sign
from tests.support.image_rows import add_rows
from tests.support.makers import MakeImports

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]
HASH, KEY = "ab" * 32, "5f0c9d1e-1111-4000-8000-000000000001"
NAME = 'Fälle/Zoë "Z" 100%_Meyer.JPG'
LONG_NAME = f"{'folder/' * 30}{NAME}"  # longer than the index keeps
WANTED: dict[str, Any] = {
    "sha256": HASH,
    "key": KEY,
    "original_name": NAME,
    "subject_reference": "S-1007",
    "case_reference": "FR 2026/14",
}


def add_image(to: Import, **values: Any) -> Image:
    values = {"original_name": "other.jpg", "byte_size": 9, "state": "accepted"} | values
    return to.files.create(**values)


@pytest.fixture
def wanted(make_imports: MakeImports) -> Image:
    """An image in the second of three imports. The others' images and batches have no values."""
    first, second, third = make_imports(3)
    for row in (first, third):
        add_image(row)
        Batch.objects.create(face_import=row, number=1, image_count=1)
    batch = Batch.objects.create(
        face_import=second, number=1, image_count=1, importer_id="mprt_Q1w2", state="importing"
    )
    return add_image(second, batch=batch, **WANTED)


@pytest.fixture
def signed(make_imports: MakeImports, actor: Actor) -> Import:
    """The second of three signed imports, which differs from the others in each answer."""
    first, second, third = make_imports(3)
    for row in (first, second, third):
        add_rows(row, 1)
    sign(first, actor)
    other = Person.objects.create_user("signer", first_name="Ines", last_name="Haddad")
    sign(
        second,
        Actor.of_user(other, address="", sign_in_method="password"),
        typed_name="Ines Haddad",
        jurisdictions=["us-tx", "us-wa"],
        image_source="partner",
        evidence_reference="Folder 7",
    )
    sign(third, actor)
    return second


def ask(text: str = "", **options: Any) -> Answer:
    return search(Import.objects.all(), Query(text, **options))


def images(answer: Answer) -> list[Image]:
    return [image for image, _ in answer.images.found]


def imports(answer: Answer) -> list[Import]:
    return [row for row, _ in answer.imports.found]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        (HASH, "SHA-256"),
        (HASH.upper(), "SHA-256"),
        (KEY, "Image key"),
        (f"{KEY.upper()}.jpg", "Image key"),
        ("mprt_Q1w2", "Persona importer"),
        ("S-1007", "Subject reference"),
        ("FR 2026/14", "Case reference"),
        (NAME, "File name"),
        ("meyer.jpg", "Part of the file name"),
        ("100%_m", "Part of the file name"),
        ('"Z"', "Part of the file name"),
    ],
)
def test_image_is_found_by_each_property(text: str, matched: str, wanted: Image) -> None:
    answer = ask(text)
    assert answer.images.found == [(wanted, [matched])]
    assert answer.parts_searched == matched.startswith("Part")


@pytest.mark.parametrize(
    "text",
    [
        *("cd" * 32, HASH[:-1], "0b7c9d1e-0000-4000-8000-000000000000", f"{KEY}.jpg.png"),
        *("mprt_Q1w", "mprt_q1w2", "S-100", "s-1007", "FR 2026", "Z%M", "Z_ 100", "import 0"),
    ],
)
def test_nothing_else_is_found(text: str, wanted: Image) -> None:
    assert ask(text).hits == 0


def test_long_names_are_told_apart_beyond_what_the_index_keeps(wanted: Image) -> None:
    long = add_image(wanted.face_import, original_name=LONG_NAME)
    add_image(wanted.face_import, original_name=f"{LONG_NAME}.png", sha256=HASH[::-1])
    assert ask(LONG_NAME).images.found == [(long, ["File name"])]


def test_import_of_an_importer_and_of_a_case_is_found(wanted: Image) -> None:
    batch, matched = ask("mprt_Q1w2").importers.found[0]
    assert (batch, matched) == (wanted.batch, ["Persona importer"])
    assert ask("FR 2026/14").imports.found == [(wanted.face_import, ["Case reference"])]


def test_importer_of_batches_lost_together_finds_all_of_them(make_imports: MakeImports) -> None:
    (row,) = make_imports(1)
    both = ["mprt_A1", "mprt_B2"]
    for number, importer in enumerate(both, start=1):
        values = {"importer_id": importer, "importer_among": both, "state": "done"}
        batch = Batch.objects.create(face_import=row, number=number, image_count=1, **values)
        add_image(row, batch=batch, sha256=f"{number:064x}")
    answer = ask("mprt_A1")
    assert [batch.number for batch, _ in answer.importers.found] == [2, 1]
    assert len(answer.images.found) == 2


@pytest.mark.parametrize("prefix", ["", "import ", "Import"])
def test_import_is_found_by_its_number(prefix: str, wanted: Image) -> None:
    answer = ask(f"{prefix}{wanted.face_import_id}")
    assert answer.imports.found == [(wanted.face_import, ["Import number"])]


def test_import_is_found_by_its_evidence(signed: Import) -> None:
    assert ask("Folder 7").imports.found == [(signed, ["Evidence location"])]
    assert ask("Folder").hits == 0


@pytest.mark.parametrize("name", ["jurisdiction", "image_source", "signed_by"])
def test_filter_finds_imports_without_a_text(name: str, signed: Import) -> None:
    value: Any = {
        "jurisdiction": "us-wa",
        "image_source": "partner",
        "signed_by": Person.objects.get(username="signer"),
    }[name]
    assert imports(ask(**{name: value})) == [signed]


def test_basis_is_a_filter_and_drafts_have_none(signed: Import, make_imports: MakeImports) -> None:
    make_imports(1)
    assert len(imports(ask(lawful_basis="consent"))) == 3
    assert imports(ask(lawful_basis="legal_claims")) == []


def test_code_of_a_jurisdiction_is_not_found_in_a_longer_one(signed: Import) -> None:
    assert imports(ask(jurisdiction="us")) == []


def test_filter_narrows_what_a_text_finds(signed: Import) -> None:
    assert len(images(ask("row-000.jpg"))) == 3
    (image,) = images(ask("row-000.jpg", image_source="partner"))
    assert image.face_import == signed
    assert ask("Folder 7", image_source="own_capture").hits == 0


def test_parts_are_searched_on_request_beside_exact_matches(wanted: Image) -> None:
    add_image(wanted.face_import, original_name=f"S-1007 {NAME}")
    assert len(images(ask("S-1007"))) == 1
    answer = ask("S-1007", with_parts=True)
    assert [matched for _, matched in answer.images.found] == [
        ["Part of the file name"],
        ["Subject reference"],
    ]


def test_image_that_matches_twice_is_shown_once(wanted: Image) -> None:
    Image.objects.filter(pk=wanted.pk).update(subject_reference=NAME)
    assert ask(NAME).images.found == [(wanted, ["Subject reference", "File name"])]


@pytest.mark.parametrize("text", ["row", "C-1"])
def test_only_the_newest_images_are_shown(text: str, make_imports: MakeImports) -> None:
    for row in make_imports(6):
        add_rows(row, MOST // 5)
    Image.objects.update(case_reference="C-1")
    answer = ask(text)
    newest = list(Image.objects.order_by("-pk")[:MOST])
    assert (images(answer), answer.images.has_more) == (newest, True)
    Image.objects.filter(pk__in=Image.objects.order_by("pk")[:5].values("pk")).delete()
    answer = ask(text)
    assert (images(answer), answer.images.has_more) == (newest, False)


def test_only_the_newest_imports_are_shown(make_imports: MakeImports) -> None:
    rows = make_imports(MOST + 1)
    for row in rows:
        add_image(row, case_reference="C-1")
    answer = ask("C-1")
    assert (imports(answer), answer.imports.has_more) == (rows[:0:-1], True)


@pytest.mark.parametrize(
    "text", [HASH, KEY, "mprt_Q1w2", "S-1007", "FR 2026/14", NAME, "meyer", "import"]
)
def test_only_the_given_imports_are_searched(text: str, wanted: Image) -> None:
    others = Import.objects.exclude(pk=wanted.face_import_id)
    text = f"import {wanted.face_import_id}" if text == "import" else text
    assert ask(text).hits > 0
    assert search(others, Query(text)).hits == 0


def test_filters_search_only_the_given_imports(signed: Import) -> None:
    others = Import.objects.exclude(pk=signed.pk)
    assert search(others, Query(image_source="partner")).hits == 0
