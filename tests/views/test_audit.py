"""The pages of the audit trail: what each reader sees, and that the reading is recorded."""

import csv
import io
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from importers.audit import trail
from importers.audit.actions import Action
from importers.audit.actors import WORKER, Actor
from importers.models import AuditEvent, Image, Import, Role
from importers.reporting import faces_seen
from importers.reporting.paging import PAGE_SIZE
from tests.support.history import page_link
from tests.support.pages import words_of
from tests.support.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db


def client_of(username: str, *roles: Role) -> Client:
    make_person(username, *roles)
    client = Client()
    client.post("/account/login/", {"login": username, "password": PASSWORD})
    return client


@pytest.fixture
def auditor() -> Client:
    return client_of("auditor", Role.AUDITOR)


@pytest.fixture
def administrator() -> Client:
    return client_of("administrator", Role.ADMINISTRATOR)


def page(client: Client, path: str = "/audit/") -> Any:
    response = client.get(path)
    assert response.status_code == 200
    return response


def lines(client: Client, path: str) -> list[list[str]]:
    response: Any = client.get(path)
    assert response.headers["Content-Disposition"].startswith("attachment")
    text = b"".join(response.streaming_content).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def recorded(action: str) -> list[Any]:
    """The filter of each row with this action."""
    rows = AuditEvent.objects.filter(action=action)
    return [details["filter"] for details in rows.values_list("details", flat=True)]


class TestTrail:
    def test_rows_are_shown_in_words_with_links_and_the_chain(
        self, auditor: Client, draft: Import
    ) -> None:
        response = page(auditor)
        text, html = words_of(response), response.content.decode()
        head = trail.head()
        assert f"{head.length} rows. Hash of the last one: {head.hash}" in text
        assert "officer 192.0.2.7 Created the draft Import" in text
        assert f'href="/imports/{draft.pk}/"' in html
        assert "auditor 127.0.0.1 Signed in Person auditor" in text
        assert 'href="/audit.csv"' in html

    def test_reader_without_imports_gets_no_links_to_them(
        self, administrator: Client, draft: Import
    ) -> None:
        response = page(administrator)
        assert f"Created the draft Import {draft.pk}" in words_of(response)
        assert f'href="/imports/{draft.pk}/"' not in response.content.decode()
        assert "/audit.csv" not in response.content.decode()
        assert administrator.get("/audit.csv").status_code == 403
        assert administrator.get("/audit/faces.csv").status_code == 403

    def test_trail_is_closed_to_who_has_no_right(self, signed_in: Client) -> None:
        for path in ("/audit/", "/audit.csv", "/audit/faces/", "/audit/faces.csv"):
            assert signed_in.get(path).status_code == 403
        assert "Audit trail" not in words_of(signed_in.get("/"))

    def test_reading_is_recorded_once_for_each_filter(self, auditor: Client, draft: Import) -> None:
        for query in ("", f"?object=import+{draft.pk}", "?before=2", "?action=person.signed_in"):
            page(auditor, f"/audit/{query}")
        page(auditor, f"/audit/?object=Import++{draft.pk}")
        assert recorded("trail.read") == [
            {},
            {"object": f"import {draft.pk}"},
            {"action": "person.signed_in"},
        ]
        assert "auditor 127.0.0.1 Read the audit trail" in words_of(page(auditor))

    def test_csv_holds_what_is_filtered_and_is_recorded(
        self, auditor: Client, draft: Import
    ) -> None:
        rows = lines(auditor, "/audit.csv?action=import.drafted")
        assert [row[5] for row in rows] == ["action", "import.drafted"]
        assert recorded("trail.exported") == [{"action": "import.drafted"}]

    @pytest.mark.parametrize(
        "bad",
        ["person=0", "person=x", "action=none", "object=secret+1", "object=%00", "since=x"],
    )
    def test_invalid_filter_is_marked_and_the_others_apply(self, bad: str, auditor: Client) -> None:
        other = "action=person.signed_out" if "action" not in bad else "person=worker"
        response = page(auditor, f"/audit/?{bad}&{other}")
        assert list(response.context["form"].errors) == [bad.partition("=")[0]]
        assert response.context["rows"] == []
        assert auditor.get(f"/audit.csv?{bad}").status_code == 302

    def test_pages_keep_the_filter(self, auditor: Client) -> None:
        for number in range(PAGE_SIZE + 2):
            trail.append(WORKER, Action.BATCH_DONE, number=number)
            trail.append(WORKER, Action.BATCH_SENDING)
        first = page(auditor, "/audit/?action=batch.done")
        second = page(auditor, f"/audit/{page_link(first.content.decode(), 'next')}")
        numbers = [row.event.details["number"] for row in second.context["rows"]]
        assert numbers == [1, 0]
        assert page_link(second.content.decode(), "prev").startswith("?action=batch.done&after=")

    def test_queries_do_not_grow_with_rows(self, auditor: Client, draft: Import) -> None:
        counts = []
        for _ in range(2):
            for image in draft.files.all():
                trail.append(WORKER, Action.FACE_VIEWED, image)
                trail.append(WORKER, Action.IMPORT_COMPLETED, image.face_import)
            page(auditor)
            with CaptureQueriesContext(database) as queries:
                page(auditor)
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 14


class TestFaces:
    @pytest.fixture
    def image(self, draft: Import, actor: Actor) -> Image:
        """An image that one person saw."""
        image = draft.files.all()[0]
        trail.append(actor, Action.GALLERY_VIEWED, draft, images=[image.pk])
        return image

    def test_page_asks_first(self, auditor: Client) -> None:
        assert "rows" not in page(auditor, "/audit/faces/").context
        response = auditor.get("/audit/faces/?person=")
        assert response.status_code == 422
        assert "Choose a person, an import or image, or a period." in words_of(response)
        assert recorded("faces.reported") == []

    def test_answer_names_person_and_image_and_is_recorded(
        self, auditor: Client, image: Image
    ) -> None:
        for _ in range(2):
            response = page(auditor, f"/audit/faces/?object=image+{image.key}")
        assert "1 face, seen by 1 person" in words_of(response)
        assert f"officer {image.key} Import {image.face_import_id}" in words_of(response)
        assert f'href="/images/{image.key}/record/"' in response.content.decode()
        assert "/thumbnail/" not in response.content.decode()
        assert recorded("faces.reported") == [{"object": f"image {image.pk}"}]

    def test_reader_without_imports_gets_no_links(
        self, administrator: Client, image: Image
    ) -> None:
        response = page(administrator, f"/audit/faces/?object=import+{image.face_import_id}")
        assert str(image.key) in words_of(response)
        assert "/record/" not in response.content.decode()

    def test_nobody_is_an_answer(self, auditor: Client, draft: Import) -> None:
        assert "Nobody saw a face" in words_of(page(auditor, "/audit/faces/?until=2026-01-01"))

    def test_too_many_views_ask_for_a_narrower_period(
        self, auditor: Client, image: Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(faces_seen, "MOST_VIEWS", 0)
        query = f"?object=import+{image.face_import_id}"
        assert "Narrow the period" in words_of(page(auditor, f"/audit/faces/{query}"))
        response = auditor.get(f"/audit/faces.csv{query}")
        assert response.url == f"/audit/faces/{query}"  # type: ignore[attr-defined]
        assert recorded("faces.exported") == []

    def test_csv_is_recorded(self, auditor: Client, image: Image) -> None:
        rows = lines(auditor, f"/audit/faces.csv?object=image+{image.key}")
        assert [row[3] for row in rows] == ["image", str(image.key)]
        assert recorded("faces.exported") == [{"object": f"image {image.pk}"}]
        assert auditor.get("/audit/faces.csv?object=secret").status_code == 302
