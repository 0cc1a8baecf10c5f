"""The progress of a submitted import, and the polling that keeps it fresh."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from importers.forwarding import progress
from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Gateway, Image, Import, Worker
from importers.worker import jobs
from tests.support.forwarding import forward
from tests.support.pages import codes, page_of, states, words, words_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _same_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "minute_of", lambda _: 1)


def polled_address(html: str) -> str:
    """The address that the page polls, or "" if it does not poll."""
    found = re.search(r'hx-get="([^"]*/progress/[^"]*)"', html)
    return unescape(found[1]) if found else ""


def poll(client: Client, html: str) -> Any:
    return client.get(polled_address(html), headers={"HX-Request": "true"})


def end_batch(batch: Batch, successful: int, duplicate: int, error: int, **more: Any) -> None:
    values = {"state": Batch.State.DONE, "importer_id": f"mprt_{batch.pk}"} | more
    Batch.objects.filter(pk=batch.pk).update(
        successful_count=successful, duplicate_count=duplicate, error_count=error, **values
    )


def every_row() -> list[list[dict[str, Any]]]:
    kinds: list[Any] = [Import, Batch, Image, FaceList, Gateway, Worker, AuditEvent]
    return [list(kind.objects.order_by("pk").values()) for kind in kinds]


def is_select(sql: str) -> bool:
    return sql.startswith("SELECT")


class TestProgress:
    def test_new_import_is_forwarding_and_polls(self, signed_in: Client, submitted: Import) -> None:
        html = page_of(signed_in, submitted)
        assert states(html)[0] == "forwarding"
        assert "queued" in states(html)
        assert polled_address(html).startswith(f"/imports/{submitted.pk}/progress/?seen=")
        assert "0 of 1 batch finished." in words(html)

    @pytest.mark.parametrize("state", [state for state in Batch.State if state != "canceled"])
    def test_page_shows_each_batch_state(
        self, state: Batch.State, signed_in: Client, submitted: Import
    ) -> None:
        Batch.objects.update(state=state, importer_id="mprt_1", idempotency_key=uuid4())
        html = page_of(signed_in, submitted)
        assert state.value in states(html)
        assert state.label in words(html)

    @pytest.mark.parametrize("state", ["completed", "needs_attention", "canceled"])
    def test_ended_import_does_not_poll(
        self, state: str, signed_in: Client, submitted: Import
    ) -> None:
        Import.objects.update(state=state)
        html = page_of(signed_in, submitted)
        assert states(html)[0] == state
        assert polled_address(html) == ""
        assert codes(html) == []

    def test_counts_are_the_sums_of_personas_counts(
        self, signed_in: Client, three_batches: Import
    ) -> None:
        first, second, _ = three_batches.batches.order_by("number")
        end_batch(first, 11, 5, 2)
        end_batch(second, 20, 7, 3)
        progress = signed_in.get(f"/imports/{three_batches.pk}/").context["progress"]
        counts = progress.successful_count, progress.duplicate_count, progress.error_count
        assert counts == (31, 12, 5)
        text = words(page_of(signed_in, three_batches))
        for pair in ("Successful 31", "Duplicate 12", "Error 5", "2 of 3 batches finished"):
            assert pair in text

    def test_counts_above_the_image_count_are_shown(
        self, signed_in: Client, submitted: Import
    ) -> None:
        end_batch(submitted.batches.get(), 10, 0, 0)
        progress = signed_in.get(f"/imports/{submitted.pk}/").context["progress"]
        assert (progress.image_count, progress.awaiting_count) == (3, 0)

    def test_undocumented_persona_status_is_shown_as_sent(
        self, signed_in: Client, submitted: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unknown_status", times=None)
        forward(3)
        html = page_of(signed_in, submitted)
        assert "under-review" in words(html)
        assert "importing" in states(html)

    def test_importer_that_stays_pending_is_shown_as_overdue(
        self, signed_in: Client, submitted: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("stuck", times=None)
        forward(3)
        html = page_of(signed_in, submitted)
        assert "overdue" not in codes(html)
        Batch.objects.update(accepted_at=Now() - timedelta(hours=2, minutes=5))
        later = poll(signed_in, html).content.decode()
        assert "overdue" in codes(later)
        assert "Still processing at Persona after 2 hours, 5 minutes." in words(later)

    def test_page_follows_persona_until_the_import_completes(
        self, signed_in: Client, submitted: Import, persona: LocalPersona
    ) -> None:
        html = page_of(signed_in, submitted)
        forward()
        response = poll(signed_in, html)
        assert response.status_code == 286
        text = words_of(response)
        assert "Successful 3" in text
        assert "1 of 1 batch finished" in text
        (entry,) = persona.ledger()
        assert entry.importer_id in text
        assert states(page_of(signed_in, submitted))[0] == "completed"


class TestPolling:
    def test_poll_without_changes_returns_nothing(
        self, signed_in: Client, submitted: Import
    ) -> None:
        html = page_of(signed_in, submitted)
        with CaptureQueriesContext(database) as queries:
            response = poll(signed_in, html)
        assert (response.status_code, response.content) == (204, b"")
        assert len(queries) <= 3

    def test_poll_refreshes_what_depends_on_the_time_each_minute(
        self, signed_in: Client, submitted: Import, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        html = page_of(signed_in, submitted)
        monkeypatch.setattr(progress, "minute_of", lambda _: 2)
        response = poll(signed_in, html)
        assert 'id="pace"' in response.content.decode()
        assert poll(signed_in, response.content.decode()).status_code == 204

    @pytest.mark.on_both_databases
    @pytest.mark.parametrize("number", [4711, 10**30])
    @pytest.mark.parametrize("seen", ["", "1"])
    def test_poll_of_an_import_that_does_not_exist_is_404(
        self, number: int, seen: str, signed_in: Client
    ) -> None:
        assert signed_in.get(f"/imports/{number}/progress/?seen={seen}").status_code == 404

    def test_poll_returns_new_counts_and_the_next_address(
        self, signed_in: Client, three_batches: Import
    ) -> None:
        html = page_of(signed_in, three_batches)
        end_batch(three_batches.batches.get(number=2), 1, 0, 0)
        response = poll(signed_in, html)
        fragment = response.content.decode()
        assert response.status_code == 200
        assert "<html" not in fragment
        assert "Successful 1" in words(fragment)
        assert "1 of 3 batches finished. 1 successful, 0 duplicate, 0 error." in words(fragment)
        assert polled_address(fragment) not in ("", polled_address(html))
        assert poll(signed_in, fragment).status_code == 204

    def test_poll_returns_the_outcomes_of_the_batches_whose_faces_are_shown(
        self, signed_in: Client, three_batches: Import
    ) -> None:
        html = page_of(signed_in, three_batches)
        assert re.findall(r'name="shown_batch" value="(.)"', html) == ["1", "2", "3"]
        end_batch(three_batches.batches.get(number=2), 1, 0, 0)
        address = f"{polled_address(html)}&shown_batch=2&shown_batch=3&shown_batch=x"
        fragment = signed_in.get(address).content.decode()
        found = re.findall(r'(?s)<p class="outcome".*?data-batch="(.)".*?</p>', fragment)
        assert found == ["2", "3"]
        assert "Batch 2 Successful Batch 3 Waiting to be sent" in words(fragment)

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "unknown", "idempotency_key": UUID(int=5)},
            {"attempts": 4},
            {"persona_status": "waiting"},
            {"problem": "no_answer", "problem_detail": "Persona did not answer in time."},
            {"error_count": 1},
            {"accepted_at": datetime(2026, 11, 24, tzinfo=UTC)},
            {"decided_at": datetime(2026, 11, 24, tzinfo=UTC)},
        ],
    )
    def test_poll_returns_a_changed_batch(
        self, change: dict[str, Any], signed_in: Client, submitted: Import
    ) -> None:
        html = page_of(signed_in, submitted)
        Batch.objects.update(**change)
        assert poll(signed_in, html).status_code == 200

    def test_poll_returns_a_new_or_ended_notice(self, signed_in: Client, submitted: Import) -> None:
        html = page_of(signed_in, submitted)
        Worker.objects.all().delete()
        response = poll(signed_in, html)
        assert codes(response.content.decode()) == ["no_worker"]
        jobs.report_alive("another worker")
        assert codes(poll(signed_in, response.content.decode()).content.decode()) == []

    @pytest.mark.parametrize("state", ["completed", "needs_attention", "canceled"])
    def test_last_poll_ends_the_polling(
        self, state: str, signed_in: Client, submitted: Import
    ) -> None:
        html = page_of(signed_in, submitted)
        Import.objects.update(state=state)
        response = poll(signed_in, html)
        assert response.status_code == 286
        assert states(response.content.decode())[0] == state
        assert polled_address(response.content.decode()) == ""

    def test_poll_without_a_known_revision_returns_everything(
        self, signed_in: Client, submitted: Import
    ) -> None:
        for query in ("", "?seen=", "?seen=%00<script>"):
            response = signed_in.get(f"/imports/{submitted.pk}/progress/{query}")
            assert response.status_code == 200
            assert "<script>" not in response.content.decode()

    @pytest.mark.parametrize("changed", [False, True])
    def test_polling_only_reads(self, changed: bool, signed_in: Client, submitted: Import) -> None:
        html = page_of(signed_in, submitted)
        if changed:
            Batch.objects.update(attempts=3)
        before = every_row()
        with CaptureQueriesContext(database) as queries:
            for _ in range(3):
                poll(signed_in, html)
        assert [query["sql"] for query in queries if not is_select(query["sql"])] == []
        assert every_row() == before

    def test_polling_sends_persona_no_request(
        self, signed_in: Client, submitted: Import, persona: LocalPersona
    ) -> None:
        before = len(persona.requests())
        poll(signed_in, page_of(signed_in, submitted))
        assert len(persona.requests()) == before

    def test_poll_queries_do_not_grow_with_batches(
        self, signed_in: Client, submitted: Import
    ) -> None:
        path = f"/imports/{submitted.pk}/progress/"
        signed_in.get(path)
        with CaptureQueriesContext(database) as few:
            signed_in.get(path)
        Batch.objects.bulk_create(
            Batch(face_import=submitted, number=number, image_count=50) for number in range(2, 200)
        )
        with CaptureQueriesContext(database) as many:
            signed_in.get(path)
        assert len(many) == len(few) <= 9
