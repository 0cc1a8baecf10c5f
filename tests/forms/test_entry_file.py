"""A CSV with entries is read as spreadsheets write it, or refused with a sentence."""

import pytest
from django.core.exceptions import ValidationError

from importers.forms import entry_file

ROW = {
    "line": 2,
    "file": "photo-1.jpg",
    "subject_reference": "S-1",
    "case_reference": "Büro 7",
    "listing_reason": "confirmed_fraud",
    "note": "",
}
TEXT = "file,subject_reference,case_reference,reason,note\nphoto-1.jpg,S-1,Büro 7,{},\n"


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        entry_file.parse(text.encode() if isinstance(text, str) else text)
    return [str(message) for message in caught.value.messages]


def test_template_is_valid() -> None:
    rows = entry_file.parse(entry_file.TEMPLATE.encode())
    assert [row["file"] for row in rows] == ["photo-1.jpg", "photo-2.jpg"]
    assert entry_file.TEMPLATE.splitlines()[0].split(",") == list(entry_file.COLUMNS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_file_is_read_as_spreadsheets_write_it(encoding: str, delimiter: str, newline: str) -> None:
    text = TEXT.format("confirmed_fraud").replace(",", delimiter).replace("\n", newline)
    assert entry_file.parse(text.encode(encoding)) == [ROW]


@pytest.mark.parametrize("reason", ["confirmed_fraud", "Confirmed fraud", "CONFIRMED FRAUD"])
def test_reason_is_given_by_code_or_by_label(reason: str) -> None:
    assert entry_file.parse(TEXT.format(reason).encode()) == [ROW]


def test_columns_may_be_missing_or_in_another_order() -> None:
    (row,) = entry_file.parse(b"Case Reference,File\nFR-1,a.jpg\n")
    assert (row["file"], row["case_reference"], row["listing_reason"]) == ("a.jpg", "FR-1", "")


def test_empty_lines_are_skipped_and_lines_are_counted() -> None:
    rows = entry_file.parse(b"file,reason\n\na.jpg,enrolled\n,\nb.jpg,enrolled\n")
    assert [(row["line"], row["file"]) for row in rows] == [(3, "a.jpg"), (5, "b.jpg")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "The first line of the CSV has no column “file”"),
        (
            "name,reason\na.jpg,enrolled\n",
            "has no column “file”. Expected: file, subject_reference",
        ),
        ("file\na.jpg\n", "The CSV has no column but “file”"),
        ("file,reason,colour\na.jpg,enrolled,red\n", "The CSV has unknown columns: colour."),
        ("file,note,note\na.jpg,x,y\n", "The CSV has a column twice."),
        ("file,reason\n", "The CSV has no rows below its heading."),
        ("file,reason\na.jpg\n", "Line 2: 1 columns instead of 2."),
        ("file,reason\n,enrolled\n", "Line 2: file is empty."),
        ("file,reason\na.jpg,because\n", "Line 2: reason: Select a valid choice. because"),
        ("file,reason\na.jpg,other\n", "Line 2: note: Explain the reason in the note."),
        ("file,case_reference\na.jpg,=1+1\n", "Line 2: case_reference holds a formula."),
        ("file,note\na.jpg,@SUM(A1)\n", "Line 2: note holds a formula."),
        (f"file,note\na.jpg,{'x' * 2001}\n", "Line 2: note: Ensure this value has at most 2000"),
        ("file,note\na.jpg,x\na.jpg,y\n", "Line 3: the same file as in line 2."),
        ('file,note\na.jpg,"x\n', "This is not a CSV that can be read"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "This is not a text file."),
        (b"\xff\xfef\x00i", "This is not a text file."),
    ],
)
def test_unusable_file_is_refused_with_its_problem(text: str | bytes, problem: str) -> None:
    (found,) = problems(text)
    assert problem in found


def test_number_with_a_sign_is_no_formula() -> None:
    (row,) = entry_file.parse(b"file,case_reference\na.jpg,-12\n")
    assert row["case_reference"] == "-12"


def test_every_wrong_line_is_named_up_to_a_bound() -> None:
    lines = "".join(f"{number}.jpg,because\n" for number in range(25))
    found = problems(f"file,reason\n{lines}")
    assert len(found) == 11
    assert found[0].startswith("Line 2: ")
    assert found[-1] == "And 15 more problems."


def test_file_with_too_many_rows_is_refused() -> None:
    lines = "".join(f"{number}.jpg,x\n" for number in range(100_000))
    assert problems(f"file,note\n{lines}") == ["The CSV has more than 10,000 rows. Split it."]


def test_file_that_is_too_large_is_refused() -> None:
    assert problems(b"x" * 5_000_001) == ["The CSV is larger than 5 MB."]
