"""CSV that a spreadsheet opens without executing a cell."""

import csv
import re
from collections.abc import Iterable, Iterator

# A spreadsheet may split a cell at semicolons, tabs, and newlines, so a formula can begin after
# each of them, even behind spaces and quotes. Full-width signs count too.
FORMULA = re.compile(r'^(?=[\t\r\n])|(^|[;\t\r\n])(?=[ "]*[=+\-@＝＋－＠])')


def lines(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a line for the columns and one for each row, with no cell that starts a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_harmless(cell) for cell in row])


def _harmless(cell: object) -> object:
    """OWASP, CSV injection: a leading quote keeps a cell, or each part of it, text."""
    return FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell


class _Echo:
    """A file that returns what is written to it, so that csv.writer can stream."""

    def write(self, line: str) -> str:
        return line
