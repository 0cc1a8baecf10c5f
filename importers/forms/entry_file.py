"""A CSV with entries: which image is whom, and why."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError

from importers.forms.entries import EntryForm
from importers.models import ListingReason

COLUMNS = {
    "file": "Name of the image, with or without its folders",
    "subject_reference": "Your opaque ID of the person",
    "case_reference": "Your case number",
    "reason": f"One of: {', '.join(one.value for one in ListingReason)}",
    "note": "Up to 2,000 characters",
}
TEMPLATE = (
    "file,subject_reference,case_reference,reason,note\n"
    "photo-1.jpg,S-20331,FR-2026-014,confirmed_fraud,\n"
    "photo-2.jpg,S-20332,FR-2026-014,suspected_fraud,Second account of the same device\n"
)
MAX_BYTES, MAX_ROWS, SHOWN_ERRORS = 5_000_000, 10_000, 10
DELIMITERS = ",;\t|"
REASONS = {
    name.casefold(): code for code, label in ListingReason.choices if code for name in (code, label)
}
# A spreadsheet would calculate these. A number with a sign is not one.
FORMULA = re.compile(r"[=@]|[+\-][^\d\s]")


def parse(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of a CSV. Raises ValidationError with a sentence for each problem.

    UTF-8, UTF-16 with a byte order mark and Windows-1252 are read, with commas, semicolons, tabs or
    bars between the columns.
    """
    lines = _lines(data)
    columns = _columns(lines[0] if lines else [])
    if len(lines) - 1 > MAX_ROWS:
        raise ValidationError(f"The CSV has more than {MAX_ROWS:,} rows. Split it.")
    rows: list[dict[str, Any]] = []
    errors: list[str] = []
    for number, line in enumerate(lines[1:], start=2):
        if any(line):
            try:
                rows.append(_row(number, line, columns))
            except ValidationError as wrong:
                errors += [f"Line {number}: {message}" for message in wrong.messages]
    if errors := [*errors, *_repeated(rows)]:
        raise ValidationError(_first(errors))
    if not rows:
        raise ValidationError("The CSV has no rows below its heading.")
    return rows


def _lines(data: bytes) -> list[list[str]]:
    if len(data) > MAX_BYTES:
        raise ValidationError(f"The CSV is larger than {MAX_BYTES // 1_000_000} MB.")
    text = _decoded(data)
    header, _, _ = text.partition("\n")
    delimiter = max(DELIMITERS, key=header.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValidationError(f"This is not a CSV that can be read: {error}.") from error


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise ValidationError("This is not a text file. Save it as a CSV in UTF-8.")


def _columns(heading: list[str]) -> list[str]:
    columns = [name.strip().casefold().replace(" ", "_") for name in heading]
    expected = f"Expected: {', '.join(COLUMNS)}."
    if "file" not in columns:
        raise ValidationError(f"The first line of the CSV has no column “file”. {expected}")
    if len(columns) == 1:
        raise ValidationError(f"The CSV has no column but “file”. {expected}")
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise ValidationError(f"The CSV has unknown columns: {', '.join(unknown)}. {expected}")
    if len(set(columns)) < len(columns):
        raise ValidationError("The CSV has a column twice.")
    return columns


def _row(number: int, line: list[str], columns: list[str]) -> dict[str, Any]:
    if len(line) != len(columns):
        raise ValidationError(f"{len(line)} columns instead of {len(columns)}.")
    cells = dict(zip(columns, (cell.strip() for cell in line), strict=True))
    if formulas := [name for name, cell in cells.items() if FORMULA.match(cell)]:
        raise ValidationError(f"{formulas[0]} holds a formula. Enter its value instead.")
    if not cells["file"]:
        raise ValidationError("file is empty.")
    reason = cells.pop("reason", "")
    cells["listing_reason"] = REASONS.get(reason.casefold(), reason)
    form = EntryForm(cells)
    if not form.is_valid():
        labels = {"listing_reason": "reason", "__all__": "entry"}
        raise ValidationError([f"{labels.get(name, name)}: {text}" for name, text in _texts(form)])
    return {"line": number, "file": cells["file"], **asdict(form.entry())}


def _texts(form: EntryForm) -> Iterator[tuple[str, str]]:
    for name, errors in form.errors.items():
        yield from ((name, str(error)) for error in errors)


def _repeated(rows: list[dict[str, Any]]) -> Iterator[str]:
    first: dict[str, int] = {}
    for row in rows:
        line = first.setdefault(row["file"], row["line"])
        if line != row["line"]:
            yield f"Line {row['line']}: the same file as in line {line}."


def _first(errors: list[str]) -> list[str]:
    more = len(errors) - SHOWN_ERRORS
    return errors[:SHOWN_ERRORS] + ([f"And {more:,} more problems."] if more > 0 else [])
