"""An import's page after sealing: its progress, what holds it up, its record, and its faces."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image as Picture
from pytest_django import Settings

from importers import faces
from importers.audit import Actor
from importers.forwarding import worker
from importers.local_persona import LocalPersona
from importers.models import (
    Attestation,
    AuditEvent,
    Batch,
    FaceList,
    Image,
    Import,
    PersonaLine,
    Worker,
)
from tests.support.attestations import ANSWERS, submit
from tests.support.forwarding import forward
from tests.support.pages import codes, page_of, states, words
from tests.support.people import PASSWORD
from tests.support.pictures import draw

pytestmark = pytest.mark.django_db
MakeDraft = Callable[..., Import]


@pytest.fixture
def sealed(make_draft: MakeDraft, known_list: FaceList, actor: Actor) -> Import:
    """Three images, sealed, with Local Persona there and a worker seen just now."""
    worker.show_alive("the test's worker")
    return submit(make_draft(known_list, 3), actor)


@pytest.fixture
def several(
    make_draft: MakeDraft, known_list: FaceList, actor: Actor, settings: Settings
) -> Import:
    """The same in three batches of one image each."""
    settings.BATCH_MAX_IMAGES = 1
    worker.show_alive("the test's worker")
    return submit(make_draft(known_list, 3), actor)


def polled_address(html: str) -> str:
    """Where the page asks for its progress, or nothing where it does not ask any more."""
    found = re.search(r'hx-get="([^"]*/progress/[^"]*)"', html)
    return unescape(found[1]) if found else ""


def poll(client: Client, html: str) -> Any:
    return client.get(polled_address(html), headers={"HX-Request": "true"})


def is_pace_alone(answer: Any) -> bool:
    """An answer that leaves the page as it is, but for the time left and the share in use."""
    html = answer.content.decode().strip()
    is_alone = html.startswith('<p id="pace"') and html.count("<") == html.count("<strong") * 2 + 2
    return (answer.status_code, answer.headers["HX-Reswap"]) == (200, "none") and is_alone


def end_batch(batch: Batch, successful: int, duplicate: int, error: int, **more: Any) -> None:
    values = {"state": Batch.State.DONE, "importer_id": f"mprt_{batch.pk}"} | more
    Batch.objects.filter(pk=batch.pk).update(
        successful_count=successful, duplicate_count=duplicate, error_count=error, **values
    )


def reading_rows() -> list[list[dict[str, Any]]]:
    kinds: list[Any] = [Import, Batch, Image, FaceList, PersonaLine, Worker, AuditEvent]
    return [list(kind.objects.order_by("pk").values()) for kind in kinds]


class TestProgress:
    def test_new_import_is_forwarding_and_polls(self, signed_in: Client, sealed: Import) -> None:
        html = page_of(signed_in, sealed)
        assert states(html)[0] == "forwarding"
        assert "queued" in states(html)
        assert polled_address(html).startswith(f"/imports/{sealed.pk}/progress/?seen=")
        assert "0 of 1 batch ended." in words(html)

    @pytest.mark.parametrize("state", [state for state in Batch.State if state != "canceled"])
    def test_page_shows_each_batch_state(
        self, state: Batch.State, signed_in: Client, sealed: Import
    ) -> None:
        Batch.objects.update(state=state, importer_id="mprt_1", idempotency_key=uuid4())
        html = page_of(signed_in, sealed)
        assert state.value in states(html)
        assert state.label in words(html)

    @pytest.mark.parametrize("state", ["completed", "needs_attention", "canceled"])
    def test_ended_import_does_not_poll(
        self, state: str, signed_in: Client, sealed: Import
    ) -> None:
        Import.objects.update(state=state)
        html = page_of(signed_in, sealed)
        assert states(html)[0] == state
        assert polled_address(html) == ""
        assert codes(html) == []

    def test_counts_are_the_sums_of_personas_counts(
        self, signed_in: Client, several: Import
    ) -> None:
        first, second, _ = several.batches.order_by("number")
        end_batch(first, 11, 5, 2)
        end_batch(second, 20, 7, 3)
        progress = signed_in.get(f"/imports/{several.pk}/").context["progress"]
        told = progress.successful_count, progress.duplicate_count, progress.error_count
        assert told == (31, 12, 5)
        text = words(page_of(signed_in, several))
        for pair in ("Successful 31", "Duplicate 12", "Error 5", "2 of 3 batches ended"):
            assert pair in text

    def test_counts_above_the_image_count_are_shown(
        self, signed_in: Client, sealed: Import
    ) -> None:
        end_batch(sealed.batches.get(), 10, 0, 0)
        progress = signed_in.get(f"/imports/{sealed.pk}/").context["progress"]
        assert (progress.image_count, progress.open_count) == (3, 0)

    def test_undocumented_persona_status_is_shown_as_sent(
        self, signed_in: Client, sealed: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unknown_status", times=None)
        forward(3)
        html = page_of(signed_in, sealed)
        assert "under-review" in words(html)
        assert "importing" in states(html)

    def test_importer_that_stays_pending_is_shown_as_overdue(
        self, signed_in: Client, sealed: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("stuck", times=None)
        forward(3)
        html = page_of(signed_in, sealed)
        assert "overdue" not in codes(html)
        Batch.objects.update(accepted_at=Now() - timedelta(hours=2, minutes=5))
        later = poll(signed_in, html).content.decode()
        assert "overdue" in codes(later)
        assert "Persona has had it for 2 hours, 5 minutes and has not ended it." in words(later)

    def test_page_follows_persona_until_the_import_completes(
        self, signed_in: Client, sealed: Import, persona: LocalPersona
    ) -> None:
        html = page_of(signed_in, sealed)
        forward()
        answer = poll(signed_in, html)
        assert answer.status_code == 286
        text = words(answer.content.decode())
        assert "Successful 3" in text
        assert "1 of 1 batch ended" in text
        (entry,) = persona.ledger()
        assert entry.importer_id in text
        assert states(page_of(signed_in, sealed))[0] == "completed"


class TestPolling:
    def test_poll_without_changes_returns_only_the_pace(
        self, signed_in: Client, sealed: Import
    ) -> None:
        assert is_pace_alone(poll(signed_in, page_of(signed_in, sealed)))

    def test_poll_returns_new_counts_and_the_next_address(
        self, signed_in: Client, several: Import
    ) -> None:
        html = page_of(signed_in, several)
        end_batch(several.batches.get(number=2), 1, 0, 0)
        answer = poll(signed_in, html)
        fragment = answer.content.decode()
        assert answer.status_code == 200
        assert "<html" not in fragment
        assert "Successful 1" in words(fragment)
        assert "1 of 3 batches ended. 1 successful, 0 duplicate, 0 error." in words(fragment)
        assert polled_address(fragment) not in ("", polled_address(html))
        assert is_pace_alone(poll(signed_in, fragment))

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "unknown", "idempotency_key": UUID(int=5)},
            {"attempts": 4},
            {"persona_status": "waiting"},
            {"problem": "no_answer", "problem_detail": "Persona did not answer in time."},
            {"error_count": 1},
        ],
    )
    def test_poll_returns_a_changed_batch(
        self, change: dict[str, Any], signed_in: Client, sealed: Import
    ) -> None:
        html = page_of(signed_in, sealed)
        Batch.objects.update(**change)
        assert poll(signed_in, html).status_code == 200

    def test_poll_returns_a_new_or_ended_notice(self, signed_in: Client, sealed: Import) -> None:
        html = page_of(signed_in, sealed)
        Worker.objects.all().delete()
        answer = poll(signed_in, html)
        assert codes(answer.content.decode()) == ["no_worker"]
        worker.show_alive("another worker")
        assert codes(poll(signed_in, answer.content.decode()).content.decode()) == []

    @pytest.mark.parametrize("state", ["completed", "needs_attention", "canceled"])
    def test_last_poll_ends_the_polling(
        self, state: str, signed_in: Client, sealed: Import
    ) -> None:
        html = page_of(signed_in, sealed)
        Import.objects.update(state=state)
        answer = poll(signed_in, html)
        assert answer.status_code == 286
        assert states(answer.content.decode())[0] == state
        assert polled_address(answer.content.decode()) == ""

    def test_poll_without_a_known_revision_returns_everything(
        self, signed_in: Client, sealed: Import
    ) -> None:
        for query in ("", "?seen=", "?seen=%00<script>"):
            answer = signed_in.get(f"/imports/{sealed.pk}/progress/{query}")
            assert answer.status_code == 200
            assert "<script>" not in answer.content.decode()

    @pytest.mark.parametrize("changed", [False, True])
    def test_polling_only_reads(self, changed: bool, signed_in: Client, sealed: Import) -> None:
        html = page_of(signed_in, sealed)
        if changed:
            Batch.objects.update(attempts=3)
        before = reading_rows()
        with CaptureQueriesContext(database) as queries:
            for _ in range(3):
                poll(signed_in, html)
        assert [query["sql"] for query in queries if not is_reading(query["sql"])] == []
        assert reading_rows() == before

    def test_polling_sends_persona_no_request(
        self, signed_in: Client, sealed: Import, persona: LocalPersona
    ) -> None:
        asked = len(persona.requests())
        poll(signed_in, page_of(signed_in, sealed))
        assert len(persona.requests()) == asked

    def test_poll_queries_do_not_grow_with_batches(self, signed_in: Client, sealed: Import) -> None:
        path = f"/imports/{sealed.pk}/progress/"
        signed_in.get(path)
        with CaptureQueriesContext(database) as few:
            signed_in.get(path)
        Batch.objects.bulk_create(
            Batch(face_import=sealed, number=number, image_count=50) for number in range(2, 200)
        )
        with CaptureQueriesContext(database) as many:
            signed_in.get(path)
        assert len(many) == len(few) <= 8


def is_reading(sql: str) -> bool:
    return sql.startswith("SELECT")


class TestNotices:
    """Each tells what happened, what was kept, and what to do."""

    def notice(self, client: Client, face_import: Import, code: str) -> str:
        html = page_of(client, face_import)
        assert codes(html) == [code]
        (shown,) = client.get(f"/imports/{face_import.pk}/").context["progress"].notices
        for sentence in (shown.title, shown.sentence, shown.remedy):
            assert sentence
            assert sentence in words(html)
        return words(html)

    def test_page_shows_no_notice_when_all_is_well(self, signed_in: Client, sealed: Import) -> None:
        assert codes(page_of(signed_in, sealed)) == []

    def test_missing_worker_has_a_notice(self, signed_in: Client, sealed: Import) -> None:
        Worker.objects.update(seen_at=Now() - timedelta(minutes=2))
        text = self.notice(signed_in, sealed, "no_worker")
        assert "No worker is running." in text
        assert "What was accepted is kept." in text
        assert "manage.py forward" in text

    def test_worker_seen_30_seconds_ago_has_no_notice(
        self, signed_in: Client, sealed: Import
    ) -> None:
        Worker.objects.update(seen_at=Now() - timedelta(seconds=30))
        assert codes(page_of(signed_in, sealed)) == []

    def test_refused_key_has_a_notice(
        self, signed_in: Client, sealed: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unauthorized", times=None)
        worker.step("the test's worker")
        text = words(page_of(signed_in, sealed))
        assert codes(page_of(signed_in, sealed))[0] == "key_refused"
        assert "Persona refuses the API key." in text
        assert "Token is invalid" in text
        assert re.search(r"Held up since \d\d:\d\d UTC", text)
        assert "What was accepted is kept and waits." in text
        assert "Correct PERSONA_API_KEY" in text

    def test_unreachable_persona_has_a_notice(
        self, signed_in: Client, sealed: Import, settings: Settings
    ) -> None:
        settings.PERSONA_BASE_URL = "http://127.0.0.1:1/api/v1"
        worker.step("the test's worker")
        text = words(page_of(signed_in, sealed))
        assert codes(page_of(signed_in, sealed))[0] == "unreachable"
        assert "Persona can't be reached." in text
        assert "What was accepted is kept" in text
        assert "tries again every minute" in text

    def test_rate_limit_has_a_notice(
        self, signed_in: Client, sealed: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("rate_limited", times=None)
        worker.step("the test's worker")
        text = words(page_of(signed_in, sealed))
        assert codes(page_of(signed_in, sealed))[0] == "rate_limited"
        assert "rate limit is used up" in text
        assert "What was accepted is kept" in text
        assert "goes on by itself" in text

    def test_refused_list_has_a_notice(
        self,
        signed_in: Client,
        make_draft: MakeDraft,
        face_list: FaceList,
        actor: Actor,
        persona: LocalPersona,
    ) -> None:
        worker.show_alive("the test's worker")
        lost = submit(make_draft(face_list, 1), actor)
        worker.step("the test's worker")
        html = page_of(signed_in, lost)
        assert codes(html) == ["list_refused", "list_unknown"]
        assert "Persona does not take images for the list Confirmed fraud." in words(html)
        assert "Persona answered 404" in words(html)
        assert "The import waits, and goes on by itself" in words(html)

    def test_other_environment_has_a_notice(
        self, signed_in: Client, sealed: Import, settings: Settings
    ) -> None:
        settings.PERSONA_IS_LOCAL = False
        settings.PERSONA_API_KEY = "persona_production_abc"
        text = self.notice(signed_in, sealed, "elsewhere")
        assert "This import belongs to Local Persona." in text
        assert "nothing of it is sent" in text
        assert "Set the API key of that environment again" in text
        assert "persona_production_abc" not in text

    def test_several_problems_each_have_a_notice(self, signed_in: Client, sealed: Import) -> None:
        Worker.objects.all().delete()
        PersonaLine.objects.get_or_create(environment="local")
        PersonaLine.objects.update(problem="unreachable", problem_detail="No connection.")
        FaceList.objects.update(problem="Persona answered 404: Not Found")
        html = page_of(signed_in, sealed)
        assert codes(html) == ["no_worker", "unreachable", "list_refused"]

    def test_ended_import_has_no_notice(self, signed_in: Client, sealed: Import) -> None:
        Worker.objects.all().delete()
        Import.objects.update(state="completed")
        assert codes(page_of(signed_in, sealed)) == []

    def test_personas_words_are_escaped(self, signed_in: Client, sealed: Import) -> None:
        PersonaLine.objects.get_or_create(environment="local")
        evil = "<img src=x onerror=alert(1)>"
        PersonaLine.objects.update(problem="unreachable", problem_detail=evil)
        FaceList.objects.update(problem=evil, name=evil)
        Batch.objects.update(problem="refused", problem_detail=evil, persona_status=evil)
        assert "<img src=x" not in page_of(signed_in, sealed)


class TestTryingAgain:
    @pytest.fixture
    def refused(self, sealed: Import, persona: LocalPersona) -> Import:
        persona.faults.inject("unprocessable", times=1)
        forward()
        sealed.refresh_from_db()
        return sealed

    def test_refused_batch_shows_personas_words_and_a_retry(
        self, signed_in: Client, refused: Import
    ) -> None:
        html = page_of(signed_in, refused)
        assert states(html)[0] == "needs_attention"
        assert codes(html) == ["refused"]
        assert "Persona answered 422" in words(html)
        assert "File must be under 2 bytes" in words(html)
        assert f'action="/imports/{refused.pk}/retry/"' in html

    def test_retry_sends_the_same_images_under_a_new_key(
        self, signed_in: Client, refused: Import, persona: LocalPersona
    ) -> None:
        former = refused.batches.get().idempotency_key
        answer = signed_in.post(reverse("import_retry", args=[refused.pk]), follow=True)
        assert "1 batch is queued again." in words(answer.content.decode())
        assert states(answer.content.decode())[0] == "forwarding"
        forward()
        refused.refresh_from_db()
        assert refused.state == "completed"
        (entry,) = persona.ledger()
        assert entry.idempotency_key not in (None, str(former))
        assert sorted(sent.sha256 for sent in entry.files) == sorted(
            refused.files.values_list("sha256", flat=True)
        )
        assert AuditEvent.objects.get(action="import.retried").details == {"batches": 1}

    def test_single_batch_can_be_retried(
        self, signed_in: Client, several: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unprocessable", times=2)
        forward()
        html = page_of(signed_in, several)
        assert "Try batch 1 again" in words(html)
        assert "Try batch 3 again" not in words(html)
        answer = signed_in.post(reverse("batch_retry", args=[several.pk, 2]), follow=True)
        assert "1 batch is queued again." in words(answer.content.decode())
        states = list(several.batches.order_by("number").values_list("state", flat=True))
        assert states == ["failed", "queued", "done"]
        told = AuditEvent.objects.get(action="import.retried").details
        assert told == {"batches": 1, "number": 2}
        forward()
        assert several.batches.get(number=2).state == "done"
        assert Import.objects.get().state == "needs_attention"

    def test_retry_ends_the_hold_of_a_list(self, signed_in: Client, sealed: Import) -> None:
        FaceList.objects.update(
            problem="Persona answered 404", held_until=Now() + timedelta(hours=1)
        )
        answer = signed_in.post(reverse("import_retry", args=[sealed.pk]), follow=True)
        assert "Trying again now." in words(answer.content.decode())
        assert FaceList.objects.get().held_until is None

    def test_retry_of_a_batch_in_doubt_recovers_it_under_its_key(
        self, signed_in: Client, sealed: Import
    ) -> None:
        key = uuid4()
        Batch.objects.update(
            state="failed", may_have_arrived=True, idempotency_key=key, problem="key_reused"
        )
        Import.objects.update(state="needs_attention")
        signed_in.post(reverse("import_retry", args=[sealed.pk]))
        batch = sealed.batches.get()
        assert (batch.state, batch.look_first, batch.idempotency_key) == ("unknown", True, key)
        assert Import.objects.get().state == "forwarding"

    def test_retry_leaves_an_ambiguous_batch_waiting(
        self, signed_in: Client, sealed: Import
    ) -> None:
        Batch.objects.update(
            state="failed", may_have_arrived=True, idempotency_key=uuid4(), problem="ambiguous"
        )
        Import.objects.update(state="needs_attention")
        answer = signed_in.post(reverse("import_retry", args=[sealed.pk]), follow=True)
        assert "No batch of this import can be sent again" in words(answer.content.decode())
        assert sealed.batches.get().state == "failed"


class TestRecord:
    def test_attestation_is_shown_in_full(self, signed_in: Client, sealed: Import) -> None:
        record = Attestation.objects.get()
        text = words(page_of(signed_in, sealed))
        for shown in (
            "Maya Okafor", "officer", "192.0.2.7", "over exactly 3 images",
            "explicit consent", "Illinois (BIPA)", ANSWERS.purpose, "5 Jan 2026 to 31 Mar 2026",
            ANSWERS.notice_version, "Sent to us by the subjects themselves",
            ANSWERS.evidence_reference, record.manifest_sha256, record.seal, "password",
            f"{record.signed_at:%H:%M:%S}", *record.statement_text.split("\n\n")[:1],
        ):  # fmt: skip
            assert shown in text
        for line in record.statement_text.splitlines():
            assert line in text

    def test_signed_answers_are_shown_escaped(
        self, signed_in: Client, make_draft: MakeDraft, known_list: FaceList, actor: Actor
    ) -> None:
        evil = "<script>alert('x')</script>"
        typed = {"purpose": evil, "notice_version": evil, "evidence_reference": evil}
        answers = ANSWERS.__class__(**(vars(ANSWERS) | typed | {"typed_name": evil}))
        html = page_of(signed_in, submit(make_draft(known_list, 1), actor, answers))
        assert "<script>alert" not in html
        assert html.count("&lt;script&gt;alert(&#x27;x&#x27;)") == 4

    def test_images_of_a_signed_import_cannot_be_removed(
        self, signed_in: Client, sealed: Import
    ) -> None:
        html = page_of(signed_in, sealed)
        for image in sealed.files.all():
            assert reverse("thumbnail", args=[image.key]) in html
        assert "/remove/" not in html
        assert 'name="manifest_sha256"' not in html

    def test_discarded_draft_keeps_its_page(
        self, signed_in: Client, make_draft: MakeDraft, face_list: FaceList
    ) -> None:
        draft = make_draft(face_list, 2)
        signed_in.post(reverse("import_discard", args=[draft.pk]))
        html = page_of(signed_in, draft)
        assert states(html) == ["canceled"]
        assert "face-0.jpg" in html
        assert "/thumbnail/" not in html
        assert "Attestation" not in words(html)

    def test_destroyed_image_is_named_but_not_loaded(
        self, signed_in: Client, sealed: Import
    ) -> None:
        image = sealed.files.first()
        assert image is not None
        Image.objects.filter(pk=image.pk).update(destroyed_at=Now(), storage_key="")
        html = page_of(signed_in, sealed)
        assert image.original_name in html
        assert str(image.key) not in html


class TestFaces:
    @pytest.fixture
    def image(self, sealed: Import) -> Image:
        return sealed.files.get(original_name="face-0.jpg")

    def test_image_is_served_unchanged_and_not_cached(
        self, signed_in: Client, image: Image
    ) -> None:
        answer = signed_in.get(reverse("image", args=[image.key]))
        assert (answer.status_code, answer.content) == (200, draw(0))
        assert answer.headers["Content-Type"] == "image/jpeg"
        self.check_headers(answer)

    def test_png_is_served_as_png(
        self, signed_in: Client, make_draft: MakeDraft, face_list: FaceList
    ) -> None:
        draft = make_draft(face_list, 0)
        signed_in.post(
            reverse("import_upload", args=[draft.pk]),
            {"files": [SimpleUploadedFile("really-a-png.jpg", draw(5, kind="PNG"))]},
        )
        answer = signed_in.get(reverse("image", args=[draft.files.get().key]))
        assert answer.headers["Content-Type"] == "image/png"

    def test_thumbnail_is_a_small_jpeg(self, signed_in: Client, image: Image) -> None:
        answer = signed_in.get(reverse("thumbnail", args=[image.key]))
        assert answer.headers["Content-Type"] == "image/jpeg"
        self.check_headers(answer)
        with Picture.open(BytesIO(answer.content)) as small:
            assert small.format == "JPEG"
            assert max(small.size) <= 320

    def check_headers(self, answer: Any) -> None:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Cache-Control"] == "no-store, private"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"

    def test_repeated_views_are_recorded_once(
        self, signed_in: Client, image: Image, officer: User
    ) -> None:
        for name in ("thumbnail", "image", "image"):
            signed_in.get(reverse(name, args=[image.key]))
        event = AuditEvent.objects.get(action="face.viewed")
        assert (event.actor, event.object_id) == (officer, str(image.pk))
        assert event.address == "127.0.0.1"
        assert event.details == {"face_import": image.face_import_id}

    def test_later_views_and_other_people_are_recorded_separately(
        self, signed_in: Client, image: Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        User.objects.create_user("auditor", password=PASSWORD)
        other = Client()
        other.post("/account/login/", {"login": "auditor", "password": PASSWORD})
        path = reverse("image", args=[image.key])
        signed_in.get(path)
        other.get(path)
        viewings = AuditEvent.objects.filter(action="face.viewed")
        assert list(viewings.values_list("actor_name", flat=True)) == ["officer", "auditor"]
        monkeypatch.setattr(faces, "SAME_VIEWING", timedelta(0))
        signed_in.get(path)
        assert viewings.count() == 3

    @pytest.mark.parametrize("name", ["image", "thumbnail"])
    def test_signed_out_visitor_sees_no_face(self, name: str, client: Client, image: Image) -> None:
        answer = client.get(reverse(name, args=[image.key]))
        assert answer.status_code == 302
        assert not AuditEvent.objects.filter(action="face.viewed").exists()

    @pytest.mark.parametrize("name", ["image", "thumbnail"])
    @pytest.mark.parametrize(
        "what", ["unknown", "destroyed", "being destroyed", "left out", "lost from storage"]
    )
    def test_unavailable_image_is_404_and_not_recorded_as_viewed(
        self, what: str, name: str, signed_in: Client, image: Image
    ) -> None:
        key = uuid4() if what == "unknown" else image.key
        rows = Image.objects.filter(pk=image.pk)
        if what == "destroyed":
            rows.update(destroyed_at=Now(), storage_key="")
        elif what == "being destroyed":  # its bytes lie there still
            rows.update(destroyed_at=Now())
        elif what == "left out":
            rows.update(state="left_out", reason="damaged")
        elif what == "lost from storage":
            default_storage.delete(image.storage_key)
        assert signed_in.get(reverse(name, args=[key])).status_code == 404
        assert not AuditEvent.objects.filter(action="face.viewed").exists()

    @pytest.mark.parametrize("name", ["image", "thumbnail"])
    def test_unreadable_storage_is_503_and_not_recorded_as_viewed(
        self, name: str, signed_in: Client, image: Image
    ) -> None:
        place = Path(default_storage.path(image.storage_key))
        place.unlink()
        place.mkdir()
        answer = signed_in.get(reverse(name, args=[image.key]))
        assert answer.status_code == 503
        assert "can't be read from storage now" in answer.content.decode()
        assert not AuditEvent.objects.filter(action="face.viewed").exists()


class TestADecision:
    """A batch that several importers could belong to waits for a person."""

    @pytest.fixture
    def batch(self, sealed: Import) -> Batch:
        batch = sealed.batches.get()
        candidates = [
            {
                "id": f"mprt_{letter}",
                "created_at": "2026-11-23T10:00:00+00:00",
                "status": "ready",
                "successful_count": count,
                "duplicate_count": 0,
                "error_count": None,
            }
            for letter, count in (("a", 3), ("b", 40))
        ]
        Batch.objects.filter(pk=batch.pk).update(
            state="failed",
            problem="ambiguous",
            problem_detail="2 imports at Persona could be it.",
            may_have_arrived=True,
            idempotency_key=uuid4(),
            first_sent_at=Now(),
            candidates=candidates,
        )
        Import.objects.filter(pk=sealed.pk).update(state="needs_attention")
        return batch

    def choose(self, client: Client, batch: Batch, importer: str) -> str:
        address = reverse("batch_decide", args=[batch.face_import_id, batch.number])
        page = client.post(address, {"importer": importer}, follow=True)
        batch.refresh_from_db()
        return page.content.decode()

    def test_page_shows_the_candidates(self, signed_in: Client, batch: Batch) -> None:
        html = signed_in.get(f"/imports/{batch.face_import_id}/").content.decode()
        for shown in ("mprt_a", "mprt_b", "40 successful", "– error", "None is: send it again"):
            assert shown in html

    def test_chosen_candidate_becomes_the_importer(self, signed_in: Client, batch: Batch) -> None:
        key = Batch.objects.get(pk=batch.pk).idempotency_key
        assert "Batch 1 goes on as you decided." in self.choose(signed_in, batch, "mprt_b")
        assert (batch.state, batch.importer_id) == (Batch.State.IMPORTING, "mprt_b")
        assert (batch.idempotency_key, batch.candidates) == (key, [])
        batch.face_import.refresh_from_db()
        assert batch.face_import.state == Import.State.FORWARDING
        assert AuditEvent.objects.latest("pk").action == "batch.decided"

    def test_choosing_none_sends_again_under_a_new_key(
        self, signed_in: Client, batch: Batch
    ) -> None:
        self.choose(signed_in, batch, "none")
        assert (batch.state, batch.importer_id) == (Batch.State.QUEUED, "")
        assert batch.idempotency_key is None
        assert not batch.may_have_arrived

    @pytest.mark.parametrize("importer", ["", "mprt_stranger", "None"])
    def test_invalid_choice_decides_nothing(
        self, importer: str, signed_in: Client, batch: Batch
    ) -> None:
        assert "does not wait for that decision" in self.choose(signed_in, batch, importer)
        assert (batch.state, batch.problem) == (Batch.State.FAILED, "ambiguous")

    def test_second_decision_changes_nothing(self, signed_in: Client, batch: Batch) -> None:
        self.choose(signed_in, batch, "mprt_a")
        assert "does not wait for that decision" in self.choose(signed_in, batch, "none")
        assert batch.importer_id == "mprt_a"
