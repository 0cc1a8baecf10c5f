"""A CSV among the images of `import_faces` holds their entries."""

from pathlib import Path

import pytest

from importers.models import Batch, Import
from tests.support.import_faces import import_faces

pytestmark = pytest.mark.django_db
HEADING = "file,case_reference,reason\n"


def test_entries_of_a_csv_are_applied_and_others_get_that_of_the_file(
    folder: Path, options: tuple[object, ...]
) -> None:
    (folder / "entries.csv").write_text(f"{HEADING}b.jpg,FR-7,identity_theft\n")
    outcome = import_faces(folder, *options, "--json")
    assert (outcome.code, outcome.report["accepted"]) == (0, 3)
    rows = Import.objects.get().files.order_by("original_name")
    assert [(row.case_reference, row.listing_reason) for row in rows] == [
        ("FR-2026-014", "confirmed_fraud"),
        ("FR-7", "identity_theft"),
        ("FR-2026-014", "confirmed_fraud"),
    ]


def test_entry_of_a_rejected_file_is_no_mistake(folder: Path, options: tuple[object, ...]) -> None:
    (folder / "bad.jpg").write_bytes(b"not a picture" * 100)
    (folder / "entries.csv").write_text(f"{HEADING}bad.jpg,FR-7,enrolled\n")
    assert import_faces(folder, *options).code == 1
    assert Import.objects.get().state == "forwarding"


def test_entry_of_a_file_that_was_not_given_stops_the_import(
    folder: Path, options: tuple[object, ...]
) -> None:
    (folder / "entries.csv").write_text(f"{HEADING}nobody.jpg,FR-7,enrolled\n")
    outcome = import_faces(folder, *options)
    assert outcome.code == 2
    assert "The CSV has entries for 'nobody.jpg', not among the images." in outcome.err
    assert Import.objects.get().is_draft
    assert not Batch.objects.exists()


def test_unusable_csv_stops_the_import_before_it_begins(
    folder: Path, options: tuple[object, ...]
) -> None:
    (folder / "entries.csv").write_text("name\nx\n")
    outcome = import_faces(folder, *options)
    assert outcome.code == 2
    assert "has no column “file”" in outcome.err
    assert not Import.objects.exists()
