"""The fact sheet: which basis may be used where, and how long images may be kept."""

import re

import pytest
from django.test import Client
from django.utils.html import escape

from importers.consent import bases
from importers.models import Import
from importers.models.consent import Jurisdiction, LawfulBasis
from tests.support.pages import words, words_of

pytestmark = pytest.mark.django_db


def rows_of(html: str) -> list[str]:
    table = html.split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    return re.findall(r"<tr>.*?</tr>", table, re.DOTALL)


def test_each_cell_has_its_word_reason_and_source(signed_in: Client) -> None:
    rows = rows_of(signed_in.get("/bases/").content.decode())
    assert len(rows) == len(Jurisdiction)
    for row, place in zip(rows, Jurisdiction, strict=True):
        assert words(row).startswith(place.label)
        cells = re.findall(r'<td data-label="(.*?)">(.*?)</td>', row, re.DOTALL)
        assert [label for label, _ in cells] == [escape(basis.label) for basis in LawfulBasis]
        for basis, (_, shown) in zip(LawfulBasis, cells, strict=True):
            cell = bases.cell(basis, place)
            source = cell.source[0].upper() + cell.source[1:]
            assert words(shown) == f"{cell.verdict.label} {cell.reason} {source}"


def test_verdicts_are_words(signed_in: Client) -> None:
    shown = words_of(signed_in.get("/bases/"))
    for word in ("Allowed", "Warning", "Refused"):
        assert word in shown


def test_term_of_each_jurisdiction_is_shown(signed_in: Client) -> None:
    shown = words_of(signed_in.get("/bases/"))
    for place in Jurisdiction:
        term = bases.suggested_term([place])
        assert f"{place.label} {term.months} months {term.reason}" in shown


def test_page_says_that_it_is_not_legal_advice(signed_in: Client) -> None:
    assert "This is a fact sheet, not legal advice." in words_of(signed_in.get("/bases/"))


def test_draft_and_statements_link_to_the_fact_sheet(signed_in: Client, draft: Import) -> None:
    Import.objects.update(draft_answers={"lawful_basis": "legal_claims"})
    for path in (f"/imports/{draft.pk}/", "/statements/"):
        assert 'href="/bases/"' in signed_in.get(path).content.decode()
