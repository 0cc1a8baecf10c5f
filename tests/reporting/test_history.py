"""The history of imports: its filters, pages and totals."""

import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from importers.models import Batch, FaceList, Import, Person
from importers.reporting.paging import PAGE_SIZE
from tests.support.history import csv_rows, history_page, page_link, shown_imports
from tests.support.image_rows import add_mixed_rows
from tests.support.makers import MakeImports

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


class TestFilters:
    def query_for(self, kind: str) -> str:
        chosen = {
            "state": "state=completed",
            "list": f"face_list={FaceList.objects.get(name='Others').pk}",
            "person": f"person={Person.objects.get(username='approver').pk}",
            "since": "since=2026-06-01",
            "until": "until=2026-05-31",
        }
        return f"?{chosen[kind]}"

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("state", ["completed"]),
            ("list", ["second list"]),
            ("person", ["colleague's"]),
            ("until", ["old"]),
            ("since", ["colleague's", "second list", "completed", "plain"]),
        ],
    )
    def test_each_filter_narrows_page_and_csv_alike(
        self, kind: str, expected: list[str], signed_in: Client, five_imports: dict[str, int]
    ) -> None:
        query = self.query_for(kind)
        ids = [five_imports[name] for name in expected]
        assert shown_imports(history_page(signed_in, query)) == ids
        assert [int(row[0]) for row in csv_rows(signed_in, query)[1:]] == ids

    def test_completed_with_errors_is_a_filter(
        self, signed_in: Client, five_imports: dict[str, int]
    ) -> None:
        completed = Import.objects.get(pk=five_imports["completed"])
        faultless = Import.objects.get(pk=five_imports["plain"])
        Import.objects.filter(pk=faultless.pk).update(state=Import.State.COMPLETED)
        for face_import, errors in ((completed, 2), (faultless, 0)):
            Batch.objects.create(face_import=face_import, number=1, image_count=5)
            face_import.batches.update(error_count=errors)
        assert len(shown_imports(history_page(signed_in, "?state=completed"))) == 2
        html = history_page(signed_in, "?state=completed_with_errors")
        assert shown_imports(html) == [completed.pk]
        assert 'data-level="warning">Completed with errors</span>' in html
        assert [row[0] for row in csv_rows(signed_in, "?state=completed_with_errors")[1:]] == [
            str(completed.pk)
        ]

    def test_history_without_filter_is_newest_first(
        self, signed_in: Client, five_imports: dict[str, int]
    ) -> None:
        assert shown_imports(history_page(signed_in)) == sorted(five_imports.values(), reverse=True)

    def test_combined_filters_narrow_together(
        self,
        signed_in: Client,
        five_imports: dict[str, int],
        second_list: FaceList,
        colleague: Person,
    ) -> None:
        match = Import.objects.create(
            face_list=second_list, created_by=colleague, state="completed"
        )
        Import.objects.filter(pk=match.pk).update(created_at=datetime(2026, 6, 15, tzinfo=UTC))
        query = (
            f"?state=completed&face_list={second_list.pk}&person={colleague.pk}"
            "&since=2026-06-15&until=2026-06-15"
        )
        assert shown_imports(history_page(signed_in, query)) == [match.pk]
        for wrong in ("state=draft", "since=2026-06-16", "until=2026-06-14"):
            assert shown_imports(history_page(signed_in, f"{query}&{wrong}")) == []

    @pytest.mark.parametrize(
        ("moment", "is_in"),
        [
            (datetime(2026, 6, 1, 0, 0, 0, tzinfo=UTC), True),
            (datetime(2026, 6, 2, 23, 59, 59, 999_999, tzinfo=UTC), True),
            (datetime(2026, 5, 31, 23, 59, 59, 999_999, tzinfo=UTC), False),
            (datetime(2026, 6, 3, 0, 0, 0, tzinfo=UTC), False),
        ],
    )
    def test_both_days_of_a_period_are_included(
        self, moment: datetime, is_in: bool, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(1)
        Import.objects.update(created_at=moment)
        found = shown_imports(history_page(signed_in, "?since=2026-06-01&until=2026-06-02"))
        assert bool(found) is is_in

    @pytest.mark.parametrize(
        "bad",
        [
            "state=nonsense", "face_list=x", "face_list=999999", f"face_list={'9' * 40}",
            "person=-1", "person=%00", "since=yesterday", "until=2026-13-01",
        ],
    )  # fmt: skip
    def test_invalid_filter_is_marked_and_the_others_apply(
        self, bad: str, signed_in: Client, five_imports: dict[str, int]
    ) -> None:
        response = signed_in.get(f"/?{bad}")
        assert list(response.context["form"].errors) == [bad.partition("=")[0]]
        assert len(shown_imports(response.content.decode())) == 5
        other = "until=2026-05-31" if not bad.startswith("until") else "since=2026-06-01"
        assert len(shown_imports(history_page(signed_in, f"?{bad}&{other}"))) < 5

    @pytest.mark.parametrize("query", ["?until=9999-12-31", "?since=0001-01-01"])
    def test_first_and_last_calendar_days_are_valid(
        self, query: str, signed_in: Client, five_imports: dict[str, int]
    ) -> None:
        assert len(shown_imports(history_page(signed_in, query))) == 5

    def test_chosen_filters_stay_selected(
        self, signed_in: Client, five_imports: dict[str, int], second_list: FaceList
    ) -> None:
        html = history_page(signed_in, f"?state=draft&face_list={second_list.pk}")
        assert re.search(r'value="draft"\s+selected', html)
        assert re.search(rf'value="{second_list.pk}"\s+selected', html)

    def test_empty_result_differs_from_empty_history(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        assert "No imports yet" in history_page(signed_in)
        make_imports(1)
        assert "No matching imports" in history_page(signed_in, "?state=completed")

    def test_people_are_shown_by_full_name(
        self, signed_in: Client, five_imports: dict[str, int]
    ) -> None:
        html = history_page(signed_in)
        assert html.count("Tomás Rivera") == 2  # in the row and in the filter
        assert ">approver<" not in html


class TestPages:
    def walk(self, client: Client, start: str, rel: str) -> list[list[int]]:
        """Follow the links from `start`, and return the imports of each page."""
        pages, query = [], start
        for _ in range(20):
            html = history_page(client, query)
            pages.append(shown_imports(html))
            query = page_link(html, rel)
            if not query:
                break
        return pages

    def test_older_pages_have_no_gap_and_no_repeat(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        ids = sorted((row.pk for row in make_imports(120)), reverse=True)
        pages = self.walk(signed_in, "", "next")
        assert [len(page) for page in pages] == [50, 50, 20]
        assert sum(pages, []) == ids

    def test_newer_pages_have_no_gap_and_no_repeat(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        ids = sorted((row.pk for row in make_imports(120)), reverse=True)
        second = page_link(history_page(signed_in), "next")
        last = page_link(history_page(signed_in, second), "next")
        pages = self.walk(signed_in, last, "prev")
        assert sum(pages[::-1], []) == ids

    def test_new_imports_do_not_shift_the_pages(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        ids = sorted((row.pk for row in make_imports(120)), reverse=True)
        html, seen = history_page(signed_in), []
        while True:
            seen += shown_imports(html)
            newer = [row.pk for row in make_imports(7)]
            older = page_link(html, "next")
            if not older:
                break
            html = history_page(signed_in, older)
        assert seen == ids
        back = self.walk(signed_in, page_link(html, "prev"), "prev")
        assert sum(back[::-1], []) == sorted(
            Import.objects.exclude(pk__in=shown_imports(html)).values_list("pk", flat=True),
            reverse=True,
        )
        assert back[-1][0] == newer[-1]

    def test_first_page_has_no_newer_and_last_no_older(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(PAGE_SIZE + 1)
        first = history_page(signed_in)
        assert page_link(first, "prev") == ""
        last = history_page(signed_in, page_link(first, "next"))
        assert page_link(last, "next") == ""
        assert len(shown_imports(last)) == 1

    def test_single_page_has_no_links(self, signed_in: Client, make_imports: MakeImports) -> None:
        make_imports(PAGE_SIZE)
        html = history_page(signed_in)
        assert len(shown_imports(html)) == PAGE_SIZE
        assert (page_link(html, "next"), page_link(html, "prev")) == ("", "")

    def test_page_links_keep_the_filter(self, signed_in: Client, make_imports: MakeImports) -> None:
        wanted = {row.pk for row in make_imports(60, state="completed")}
        make_imports(60)
        pages = self.walk(signed_in, "?state=completed&since=", "next")
        assert [len(page) for page in pages] == [50, 10]
        assert set(sum(pages, [])) == wanted

    @pytest.mark.parametrize("cursor", ["x", "-5", "", "1.5", "9" * 30, "%00", "²"])
    def test_invalid_cursor_shows_the_newest(
        self, cursor: str, signed_in: Client, make_imports: MakeImports
    ) -> None:
        ids = [row.pk for row in make_imports(2)]
        for name in ("before", "after"):
            assert shown_imports(history_page(signed_in, f"?{name}={cursor}")) == ids[::-1]

    def test_cursor_beyond_the_end_shows_an_empty_page(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(2)
        assert shown_imports(history_page(signed_in, "?before=0")) == []
        assert shown_imports(history_page(signed_in, f"?after={'9' * 18}")) == []


class TestTotals:
    def test_row_counts_images_and_sums_batches(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        (row,) = make_imports(1)
        add_mixed_rows(row, 7)
        for number, counts in enumerate([(10, 2, 1), (20, 3, 0), (None, None, None)], start=1):
            names = ("successful_count", "duplicate_count", "error_count")
            values = dict(zip(names, counts, strict=True))
            Batch.objects.create(face_import=row, number=number, image_count=1)
            row.batches.filter(number=number).update(**values)
        (found,) = signed_in.get("/").context["page"].rows
        assert (found.image_count, found.left_out_count) == (3, 4)
        assert (found.successful_count, found.duplicate_count, found.error_count) == (30, 5, 1)
        assert csv_rows(signed_in)[1][7:] == ["3", "4", "30", "5", "1"]

    def test_unknown_counts_are_blank(self, signed_in: Client, make_imports: MakeImports) -> None:
        make_imports(1)
        assert csv_rows(signed_in)[1][7:] == ["0", "0", "", "", ""]
