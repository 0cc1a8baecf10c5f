"""The history: its filters, its pages, its CSV, and what they cost."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from importers.history import CSV_COLUMNS, PAGE_SIZE
from importers.models import AuditEvent, Batch, FaceList, Image, Import
from tests.support.people import PASSWORD

pytestmark = pytest.mark.django_db
MakeImports = Callable[..., list[Import]]


@pytest.fixture
def make_imports(officer: User, face_list: FaceList) -> MakeImports:
    """As many imports as asked for, without images; `values` go into each."""

    def make(count: int, **values: Any) -> list[Import]:
        values = {"face_list": face_list, "created_by": officer} | values
        return Import.objects.bulk_create(Import(**values) for _ in range(count))

    return make


@pytest.fixture
def colleague(db: None) -> User:
    return User.objects.create_user(
        "approver", password=PASSWORD, first_name="Tomás", last_name="Rivera"
    )


@pytest.fixture
def others(db: None) -> FaceList:
    return FaceList.objects.create(environment="local", persona_id="lst_2", name="Others")


@pytest.fixture
def six(make_imports: MakeImports, colleague: User, others: FaceList) -> dict[str, int]:
    """Six imports, each of which differs from the first in one thing, by name."""
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "completed": {"state": "completed"},
        "others": {"face_list": others},
        "colleague's": {"created_by": colleague},
        "old": {},
        "named": {},
    }
    rows = {name: make_imports(1, **values)[0].pk for name, values in kinds.items()}
    Import.objects.update(created_at=datetime(2026, 6, 15, 12, tzinfo=UTC))
    Import.objects.filter(pk=rows["old"]).update(created_at=datetime(2026, 5, 31, tzinfo=UTC))
    put_image(rows["named"], "Rückseite 100%_ok.JPG")
    return rows


def put_image(import_id: int, name: str, number: int = 0) -> None:
    Image.objects.create(
        face_import_id=import_id,
        original_name=name,
        byte_size=10_000,
        sha256=f"{number:064x}",
        state=Image.State.ACCEPTED,
    )


def put_images(face_import: Import, count: int) -> None:
    Image.objects.bulk_create(
        Image(
            face_import=face_import,
            original_name=f"{number}.jpg",
            byte_size=10_000,
            sha256=f"{number:064x}",
            state="accepted" if number % 2 else "left_out",
            reason="" if number % 2 else "damaged",
        )
        for number in range(count)
    )


def shown(html: str) -> list[int]:
    """The imports of a page, in its order."""
    return [int(number) for number in re.findall(r'href="/imports/(\d+)/"', html)]


def link(html: str, rel: str) -> str:
    """The address of the next or the previous page; nothing where there is none."""
    anchors = [unescape(tag) for tag in re.findall(r"<a [^>]*>", html) if f'rel="{rel}"' in tag]
    return re.search(r'href="([^"]*)"', anchors[0])[1] if anchors else ""  # type: ignore[index]


def page_at(client: Client, query: str = "") -> str:
    answer = client.get(f"/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def csv_rows(client: Client, query: str = "") -> list[list[str]]:
    answer: Any = client.get(f"/imports.csv{query}")
    text = b"".join(answer.streaming_content).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


class TestFilters:
    def query(self, kind: str) -> str:
        chosen = {
            "state": "state=completed",
            "list": f"face_list={FaceList.objects.get(name='Others').pk}",
            "person": f"person={User.objects.get(username='approver').pk}",
            "since": "since=2026-06-01",
            "until": "until=2026-05-31",
            "name": "q=CKSEITE",
        }
        return f"?{chosen[kind]}"

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("state", ["completed"]),
            ("list", ["others"]),
            ("person", ["colleague's"]),
            ("until", ["old"]),
            ("name", ["named"]),
            ("since", ["named", "colleague's", "others", "completed", "plain"]),
        ],
    )
    def test_each_filter_narrows_page_and_csv_alike(
        self, kind: str, expected: list[str], signed_in: Client, six: dict[str, int]
    ) -> None:
        query = self.query(kind)
        ids = [six[name] for name in expected]
        assert shown(page_at(signed_in, query)) == ids
        assert [int(row[0]) for row in csv_rows(signed_in, query)[1:]] == ids

    def test_history_without_filter_is_newest_first(
        self, signed_in: Client, six: dict[str, int]
    ) -> None:
        assert shown(page_at(signed_in)) == sorted(six.values(), reverse=True)

    def test_combined_filters_narrow_together(
        self, signed_in: Client, six: dict[str, int], others: FaceList, colleague: User
    ) -> None:
        whole = Import.objects.create(face_list=others, created_by=colleague, state="completed")
        Import.objects.filter(pk=whole.pk).update(created_at=datetime(2026, 6, 15, tzinfo=UTC))
        put_image(whole.pk, "left.jpg")
        query = (
            f"?q=left&state=completed&face_list={others.pk}&person={colleague.pk}"
            "&since=2026-06-15&until=2026-06-15"
        )
        assert shown(page_at(signed_in, query)) == [whole.pk]
        for wrong in ("q=right", "state=draft", "since=2026-06-16", "until=2026-06-14"):
            assert shown(page_at(signed_in, f"{query}&{wrong}")) == []

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
        found = shown(page_at(signed_in, "?since=2026-06-01&until=2026-06-02"))
        assert bool(found) is is_in

    @pytest.mark.parametrize(
        ("typed", "count"), [("100%25_", 1), ("%25", 1), ("_ok", 1), ("0__o", 0)]
    )
    def test_sql_wildcards_are_plain_text(
        self, typed: str, count: int, signed_in: Client, six: dict[str, int]
    ) -> None:
        assert len(shown(page_at(signed_in, f"?q={typed}"))) == count

    @pytest.mark.parametrize(
        "bad",
        [
            "state=nonsense", "face_list=x", "face_list=999999", f"face_list={'9' * 40}",
            "person=-1", "person=%00", "since=yesterday", "until=2026-13-01", "q=%00",
        ],
    )  # fmt: skip
    def test_invalid_filter_is_marked_and_the_others_apply(
        self, bad: str, signed_in: Client, six: dict[str, int]
    ) -> None:
        answer = signed_in.get(f"/?{bad}")
        assert list(answer.context["form"].errors) == [bad.partition("=")[0]]
        assert len(shown(answer.content.decode())) == 6
        other = "until=2026-05-31" if not bad.startswith("until") else "since=2026-06-01"
        assert len(shown(page_at(signed_in, f"?{bad}&{other}"))) < 6

    @pytest.mark.parametrize("query", ["?until=9999-12-31", "?since=0001-01-01"])
    def test_first_and_last_calendar_days_are_valid(
        self, query: str, signed_in: Client, six: dict[str, int]
    ) -> None:
        assert len(shown(page_at(signed_in, query))) == 6

    def test_chosen_filters_stay_selected(
        self, signed_in: Client, six: dict[str, int], others: FaceList
    ) -> None:
        html = page_at(signed_in, f"?q=%22%3E%3Cb%3E&state=draft&face_list={others.pk}")
        assert re.search(r'value="draft"\s+selected', html)
        assert re.search(rf'value="{others.pk}"\s+selected', html)
        assert 'value="&quot;&gt;&lt;b&gt;"' in html

    def test_empty_result_differs_from_empty_history(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        assert "No imports yet" in page_at(signed_in)
        make_imports(1)
        assert "No import matches" in page_at(signed_in, "?state=completed")

    def test_people_are_shown_by_full_name(self, signed_in: Client, six: dict[str, int]) -> None:
        html = page_at(signed_in)
        assert html.count("Tomás Rivera") == 2  # in the row and in the filter
        assert ">approver<" not in html


class TestPages:
    def walk(self, client: Client, start: str, rel: str) -> list[list[int]]:
        """The pages from `start` on, following the links."""
        pages, query = [], start
        for _ in range(20):
            html = page_at(client, query)
            pages.append(shown(html))
            query = link(html, rel)
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
        second = link(page_at(signed_in), "next")
        last = link(page_at(signed_in, second), "next")
        pages = self.walk(signed_in, last, "prev")
        assert sum(pages[::-1], []) == ids

    def test_new_imports_do_not_shift_the_pages(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        ids = sorted((row.pk for row in make_imports(120)), reverse=True)
        html, seen = page_at(signed_in), []
        while True:
            seen += shown(html)
            newer = [row.pk for row in make_imports(7)]
            older = link(html, "next")
            if not older:
                break
            html = page_at(signed_in, older)
        assert seen == ids
        back = self.walk(signed_in, link(html, "prev"), "prev")
        assert sum(back[::-1], []) == sorted(
            Import.objects.exclude(pk__in=shown(html)).values_list("pk", flat=True), reverse=True
        )
        assert back[-1][0] == newer[-1]

    def test_first_page_has_no_newer_and_last_no_older(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(PAGE_SIZE + 1)
        first = page_at(signed_in)
        assert link(first, "prev") == ""
        last = page_at(signed_in, link(first, "next"))
        assert link(last, "next") == ""
        assert len(shown(last)) == 1

    def test_single_page_has_no_links(self, signed_in: Client, make_imports: MakeImports) -> None:
        make_imports(PAGE_SIZE)
        html = page_at(signed_in)
        assert (len(shown(html)), link(html, "next"), link(html, "prev")) == (PAGE_SIZE, "", "")

    def test_page_links_keep_the_filter(self, signed_in: Client, make_imports: MakeImports) -> None:
        wanted = {row.pk for row in make_imports(60, state="completed")}
        make_imports(60)
        pages = self.walk(signed_in, "?state=completed&q=", "next")
        assert [len(page) for page in pages] == [50, 10]
        assert set(sum(pages, [])) == wanted

    @pytest.mark.parametrize("cursor", ["x", "-5", "", "1.5", "9" * 30, "%00", "²"])
    def test_invalid_cursor_shows_the_newest(
        self, cursor: str, signed_in: Client, make_imports: MakeImports
    ) -> None:
        ids = [row.pk for row in make_imports(2)]
        for name in ("before", "after"):
            assert shown(page_at(signed_in, f"?{name}={cursor}")) == ids[::-1]

    def test_cursor_beyond_the_end_shows_an_empty_page(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(2)
        assert shown(page_at(signed_in, "?before=0")) == []
        assert shown(page_at(signed_in, f"?after={'9' * 18}")) == []


class TestTotals:
    def test_row_counts_images_and_sums_batches(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        (row,) = make_imports(1)
        put_images(row, 7)
        for number, counts in enumerate([(10, 2, 1), (20, 3, 0), (None, None, None)], start=1):
            names = ("successful_count", "duplicate_count", "error_count")
            told = dict(zip(names, counts, strict=True))
            Batch.objects.create(face_import=row, number=number, image_count=1, **told)
        (found,) = signed_in.get("/").context["page"].imports
        assert (found.images, found.left_out) == (3, 4)
        assert (found.successful_count, found.duplicate_count, found.error_count) == (30, 5, 1)
        assert csv_rows(signed_in)[1][7:] == ["3", "4", "30", "5", "1"]

    def test_unknown_counts_are_blank(self, signed_in: Client, make_imports: MakeImports) -> None:
        make_imports(1)
        assert csv_rows(signed_in)[1][7:] == ["0", "0", "", "", ""]


class TestCsv:
    def test_csv_has_the_promised_columns(
        self, signed_in: Client, make_imports: MakeImports, face_list: FaceList
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

    def test_csv_is_a_streamed_download(self, signed_in: Client, make_imports: MakeImports) -> None:
        make_imports(1200)
        answer: Any = signed_in.get("/imports.csv")
        assert answer.streaming
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="imports.csv"'
        lines = list(answer.streaming_content)
        assert len(lines) == 1201

    @pytest.mark.parametrize("beginning", list("=+-@\t\r\n＝＋－＠"))
    def test_csv_cell_is_never_a_formula(
        self, beginning: str, signed_in: Client, make_imports: MakeImports
    ) -> None:
        FaceList.objects.update(name=f"{beginning}cmd|' /C calc'!A0")
        make_imports(1)
        cell = csv_rows(signed_in)[1][2]
        assert cell == f"'{beginning}cmd|' /C calc'!A0"

    def test_csv_username_is_never_a_formula(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(1, created_by=User.objects.create_user("@sum"))
        assert csv_rows(signed_in)[1][4] == "'@sum"

    def test_commas_quotes_and_newlines_stay_in_their_cell(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        FaceList.objects.update(name='Fraud, "confirmed"\r\nsince 2020')
        make_imports(1)
        assert csv_rows(signed_in)[1][2] == 'Fraud, "confirmed"\r\nsince 2020'

    def test_export_is_recorded_with_its_filter(
        self, signed_in: Client, six: dict[str, int], officer: User
    ) -> None:
        csv_rows(signed_in, "?state=draft&q=a+b")
        event = AuditEvent.objects.get(action="imports.exported")
        assert (event.actor, event.address) == (officer, "127.0.0.1")
        assert event.details == {"filter": "state=draft&q=a+b"}

    def test_page_links_to_the_csv_of_the_same_filter(
        self, signed_in: Client, six: dict[str, int]
    ) -> None:
        html = page_at(signed_in, "?state=completed&before=999999")
        assert 'href="/imports.csv?state=completed"' in html


class TestCost:
    """The number of queries is that of the page, not that of its rows."""

    def cost(self, client: Client, path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(database) as queries:
            answer: Any = client.get(path)
            if answer.streaming:
                b"".join(answer.streaming_content)
        assert answer.status_code == 200
        return len(queries)

    @pytest.mark.parametrize(
        "path", ["/", "/imports.csv", "/?q=jpg", "/?state=draft&before=999999"]
    )
    def test_queries_do_not_grow_with_imports(
        self, path: str, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(5)
        few = self.cost(signed_in, path)
        people = User.objects.bulk_create(User(username=f"person {n}") for n in range(195))
        lists = FaceList.objects.bulk_create(
            FaceList(environment="local", persona_id=f"lst_{n}") for n in range(195)
        )
        rows = Import.objects.bulk_create(
            Import(created_by=who, face_list=which)
            for who, which in zip(people, lists, strict=True)
        )
        Batch.objects.bulk_create(Batch(face_import=row, number=1, image_count=1) for row in rows)
        Image.objects.bulk_create(
            Image(face_import=row, original_name="a.jpg", byte_size=1, state="accepted")
            for row in rows
        )
        assert self.cost(signed_in, path) == few <= 12

    @pytest.mark.parametrize("state", ["draft", "forwarding", "completed", "canceled"])
    def test_import_page_queries_do_not_grow_with_images(
        self, state: str, signed_in: Client, make_imports: MakeImports
    ) -> None:
        small, large = make_imports(2, state=state)
        put_images(small, 10)
        put_images(large, 500)
        few = self.cost(signed_in, f"/imports/{small.pk}/")
        assert self.cost(signed_in, f"/imports/{large.pk}/") == few <= 16

    def test_contents_queries_do_not_grow_with_images(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        small, large = make_imports(2)
        put_images(small, 10)
        put_images(large, 500)
        few = self.cost(signed_in, f"/imports/{small.pk}/contents/")
        assert self.cost(signed_in, f"/imports/{large.pk}/contents/") == few <= 12

    def test_queries_do_not_grow_with_lists(
        self, signed_in: Client, make_imports: MakeImports
    ) -> None:
        make_imports(3)
        few = self.cost(signed_in, "/lists/")
        FaceList.objects.bulk_create(
            FaceList(environment="local", persona_id=f"lst_{n}", name=f"{n}") for n in range(200)
        )
        assert self.cost(signed_in, "/lists/") == few <= 8
