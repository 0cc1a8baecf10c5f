"""Retrying a batch, and choosing the importer of an ambiguous one."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from importers.local_persona import LocalPersona
from importers.models import AuditEvent, Batch, FaceList, Import
from tests.support.forwarding import forward
from tests.support.pages import codes, page_of, states, words, words_of

pytestmark = pytest.mark.django_db


class TestRetry:
    @pytest.fixture
    def refused(self, submitted: Import, persona: LocalPersona) -> Import:
        persona.faults.inject("unprocessable", times=1)
        forward()
        submitted.refresh_from_db()
        return submitted

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
        response = signed_in.post(reverse("import_retry", args=[refused.pk]), follow=True)
        assert "1 batch queued again." in words_of(response)
        assert states(response.content.decode())[0] == "forwarding"
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
        self, signed_in: Client, three_batches: Import, persona: LocalPersona
    ) -> None:
        persona.faults.inject("unprocessable", times=2)
        forward()
        html = page_of(signed_in, three_batches)
        assert "Retry batch 1" in words(html)
        assert "Retry batch 3" not in words(html)
        response = signed_in.post(reverse("batch_retry", args=[three_batches.pk, 2]), follow=True)
        assert "1 batch queued again." in words_of(response)
        states = list(three_batches.batches.order_by("number").values_list("state", flat=True))
        assert states == ["failed", "queued", "done"]
        event = AuditEvent.objects.get(action="import.retried")
        assert event.details == {"batches": 1, "number": 2}
        forward()
        assert three_batches.batches.get(number=2).state == "done"
        assert Import.objects.get().state == "needs_attention"

    def test_retry_ends_the_hold_of_a_list(self, signed_in: Client, submitted: Import) -> None:
        FaceList.objects.update(
            problem="Persona answered 404", held_until=Now() + timedelta(hours=1)
        )
        response = signed_in.post(reverse("import_retry", args=[submitted.pk]), follow=True)
        assert "Trying again now." in words_of(response)
        assert FaceList.objects.get().held_until is None

    def test_retry_of_a_batch_in_doubt_recovers_it_under_its_key(
        self, signed_in: Client, submitted: Import
    ) -> None:
        key = uuid4()
        Batch.objects.update(
            state="failed", may_have_arrived=True, idempotency_key=key, problem="key_reused"
        )
        Import.objects.update(state="needs_attention")
        signed_in.post(reverse("import_retry", args=[submitted.pk]))
        batch = submitted.batches.get()
        assert (batch.state, batch.recover_first, batch.idempotency_key) == ("unknown", True, key)
        assert Import.objects.get().state == "forwarding"

    def test_retry_leaves_an_ambiguous_batch_waiting(
        self, signed_in: Client, submitted: Import
    ) -> None:
        Batch.objects.update(
            state="failed", may_have_arrived=True, idempotency_key=uuid4(), problem="ambiguous"
        )
        Import.objects.update(state="needs_attention")
        response = signed_in.post(reverse("import_retry", args=[submitted.pk]), follow=True)
        assert "No batch of this import can be retried" in words_of(response)
        assert submitted.batches.get().state == "failed"
