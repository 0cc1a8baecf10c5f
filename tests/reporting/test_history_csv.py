"""The CSV of the history."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from importers.models import AuditEvent, FaceList, Import, Person
from importers.reporting.history import CSV_COLUMNS
from tests.support.history import csv_rows, history_page
from tests.support.makers import MakeImports

pytestmark = pytest.mark.django_db


def test_csv_has_the_promised_columns(
    signed_in: Client, make_imports: MakeImports, face_list: FaceList
) -> None:
    (row,) = make_imports(1, state="forwarding")
    Import.objects.update(created_at=datetime(2026, 6, 15, 9, 30, 1, 5, tzinfo=UTC))
    head, cells = csv_rows(signed_in)
    assert head == [
        *("import", "list_id", "list_name", "environment", "created_by", "created_at"),
        *("state", "images", "left_out"),
        *("successful_count", "duplicate_count", "error_count"),
    ]
    assert tuple(head) == CSV_COLUMNS
    assert cells[:7] == [
        *(str(row.pk), "lst_unknown", "Confirmed fraud", "local", "officer"),
        *("2026-06-15T09:30:01+00:00", "forwarding"),
    ]


def test_csv_is_a_streamed_download(signed_in: Client, make_imports: MakeImports) -> None:
    make_imports(1200)
    response: Any = signed_in.get("/imports.csv")
    assert response.streaming
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="imports.csv"'
    rows = list(response.streaming_content)
    assert len(rows) == 1201


@pytest.mark.parametrize("sign", list("=+-@\t\r\n＝＋－＠"))
def test_csv_cell_is_never_a_formula(
    sign: str, signed_in: Client, make_imports: MakeImports
) -> None:
    FaceList.objects.update(name=f"{sign}cmd|' /C calc'!A0")
    make_imports(1)
    cell = csv_rows(signed_in)[1][2]
    assert cell == f"'{sign}cmd|' /C calc'!A0"


@pytest.mark.parametrize("sign", list("=+-@＝＋－＠"))
@pytest.mark.parametrize("separator", [";", "\t", "\n", "\r", "\r\n", ";;"])
def test_part_of_a_csv_cell_is_never_a_formula(
    separator: str, sign: str, signed_in: Client, make_imports: MakeImports
) -> None:
    """A spreadsheet may split at semicolons or tabs, and then ignores the quotes of a cell."""
    FaceList.objects.update(name=f"a{separator}{sign}cmd|' /C calc'!A0{separator}{sign}1")
    make_imports(1)
    cell = csv_rows(signed_in)[1][2]
    assert cell == f"a{separator}'{sign}cmd|' /C calc'!A0{separator}'{sign}1"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("\t=cmd", "'\t'=cmd"),
        ("\r\n=cmd", "'\r\n'=cmd"),
        (";=cmd", ";'=cmd"),
        ('a;"=cmd"', 'a;\'"=cmd"'),
        ("a; =cmd", "a;' =cmd"),
        ("a;b-c=d;e\tf\ng", "a;b-c=d;e\tf\ng"),
        ("Fraud; from 2020 - 2026", "Fraud; from 2020 - 2026"),
    ],
)
def test_csv_cell_is_quoted_where_a_formula_may_begin(
    name: str, cell: str, signed_in: Client, make_imports: MakeImports
) -> None:
    FaceList.objects.update(name=name)
    make_imports(1)
    assert csv_rows(signed_in)[1][2] == cell


def test_csv_username_is_never_a_formula(signed_in: Client, make_imports: MakeImports) -> None:
    make_imports(1, created_by=Person.objects.create_user("@sum"))
    assert csv_rows(signed_in)[1][4] == "'@sum"


def test_commas_quotes_and_newlines_stay_in_their_cell(
    signed_in: Client, make_imports: MakeImports
) -> None:
    FaceList.objects.update(name='Fraud, "confirmed"\r\nsince 2020')
    make_imports(1)
    assert csv_rows(signed_in)[1][2] == 'Fraud, "confirmed"\r\nsince 2020'


def test_export_is_recorded_with_its_filters(
    signed_in: Client, five_imports: dict[str, int], officer: Person
) -> None:
    csv_rows(signed_in, f"?state=draft&person={officer.pk}")
    event = AuditEvent.objects.get(action="imports.exported")
    assert (event.actor, event.address) == (officer, "127.0.0.1")
    assert event.details == {"filter": {"state": "draft", "person": str(officer.pk)}}


def test_page_links_to_the_csv_of_the_same_filter(
    signed_in: Client, five_imports: dict[str, int]
) -> None:
    html = history_page(signed_in, "?state=completed&before=999999")
    assert 'href="/imports.csv?state=completed"' in html
