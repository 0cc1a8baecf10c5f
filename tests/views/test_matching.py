"""Matching ambiguous batches with importers at Persona: choose, confirm, and undo."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from importers.models import Attempt, AuditEvent, Batch, FaceList, Import
from tests.support.pages import words_of

pytestmark = pytest.mark.django_db
State = Batch.State
NOON = datetime(2026, 11, 24, 12, 0, 7, tzinfo=UTC)


@pytest.fixture
def sent(make_import: Callable[..., Import], face_list: FaceList, settings: Settings) -> Import:
    """Two ambiguous batches and three importers that could be theirs."""
    settings.BATCH_MAX_IMAGES = 2
    sent = make_import(face_list, images=4)
    for batch in sent.batches.all():
        batch.lend("a worker", NOON)  # type: ignore[arg-type]
        attempt = Attempt.objects.create(batch=batch, key=Batch.objects.get(pk=batch.pk).key)
        Attempt.objects.filter(pk=attempt.pk).update(began_at=NOON, ended_at=NOON)
    candidates = [
        {
            "id": f"mprt_{letter}",
            "created_at": "2026-11-24T12:00:08+00:00",
            "status": "ready",
            "successful_count": count,
            "duplicate_count": 0,
            "error_count": None,
        }
        for letter, count in (("a", 2), ("b", 2), ("c", 40))
    ]
    sent.batches.update(
        state=State.FAILED,
        problem="ambiguous",
        problem_detail="Choose the right one.",
        may_have_arrived=True,
        candidates=candidates,
    )
    Import.objects.filter(pk=sent.pk).update(state=Import.State.NEEDS_ATTENTION)
    return sent


def post(client: Client, sent: Import, **choices: str) -> str:
    data = {name.replace("_", "-"): value for name, value in choices.items()}
    answer = client.post(reverse("import_matching", args=[sent.pk]), data, follow=True)
    return answer.content.decode()


def outcome(sent: Import) -> list[tuple[str, str]]:
    return list(sent.batches.order_by("number").values_list("state", "importer_id"))


def test_import_page_leads_to_the_table(signed_in: Client, sent: Import) -> None:
    page = signed_in.get(reverse("import", args=[sent.pk])).content.decode()
    assert reverse("import_matching", args=[sent.pk]) in page


def test_table_shows_what_helps_to_decide(signed_in: Client, sent: Import) -> None:
    answer = signed_in.get(reverse("import_matching", args=[sent.pk]))
    html, words = answer.content.decode(), words_of(answer)
    for image in sent.files.all():
        assert reverse("thumbnail", args=[image.key]) in html
        assert image.sent_name in words
    assert "24 Nov, 12:00:07–12:00:07" in words
    assert "Created 12:00:08 UTC. Status ready: 40 successful, 0 duplicate, – error" in words
    assert html.count('value="mprt_a"') == 2


def test_choice_is_recorded_only_when_it_is_confirmed(signed_in: Client, sent: Import) -> None:
    page = post(signed_in, sent, batch_1="mprt_b", batch_2="again")
    assert "Confirm the matches" in page
    assert "send batch 2 again" in page
    assert outcome(sent) == [("failed", "")] * 2
    hidden = dict(re.findall(r'type="hidden" name="(batch-\d)" value="(\w+)"', page))
    assert hidden == {"batch-1": "mprt_b", "batch-2": "again"}
    page = post(signed_in, sent, **hidden, confirmed="yes")
    assert "Decided for 2 batches. You can undo this for 30 seconds." in page
    assert outcome(sent) == [("importing", "mprt_b"), ("queued", "")]
    sent.refresh_from_db()
    assert sent.state == Import.State.FORWARDING
    decided = AuditEvent.objects.filter(action="batch.decided").order_by("pk")
    assert [event.details["importer"] for event in decided] == ["mprt_b", ""]


def test_change_returns_to_the_table_with_the_choices(signed_in: Client, sent: Import) -> None:
    page = post(signed_in, sent, batch_1="mprt_b", change="yes")
    assert "Match batches with Persona imports" in page
    assert re.search(r'name="batch-1"\s+value="mprt_b"\s+checked', page)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({}, "Choose an import for at least one batch."),
        (
            {"batch_1": "mprt_a", "batch_2": "mprt_a"},
            "Each import at Persona can belong to one batch only.",
        ),
        ({"batch_1": "mprt_stranger"}, "Batch 1: that import was matched meanwhile."),
    ],
)
def test_impossible_choice_is_refused_and_kept(
    signed_in: Client, sent: Import, choices: dict[str, str], sentence: str
) -> None:
    page = post(signed_in, sent, **choices, confirmed="yes")
    assert sentence in page
    assert outcome(sent) == [("failed", "")] * 2


def test_claimed_candidate_is_not_offered(signed_in: Client, sent: Import) -> None:
    post(signed_in, sent, batch_1="mprt_a", confirmed="yes")
    page = signed_in.get(reverse("import_matching", args=[sent.pk])).content.decode()
    assert "mprt_a" not in page
    assert "mprt_b" in page


def test_both_choices_of_two_people_cannot_be_had(signed_in: Client, sent: Import) -> None:
    post(signed_in, sent, batch_1="mprt_a", confirmed="yes")
    page = post(signed_in, sent, batch_2="mprt_a", confirmed="yes")
    assert "Batch 2: that import was matched meanwhile." in page
    assert outcome(sent) == [("importing", "mprt_a"), ("failed", "")]


def test_decision_is_undone_from_the_import_page(signed_in: Client, sent: Import) -> None:
    post(signed_in, sent, batch_1="mprt_a", confirmed="yes")
    address = reverse("batch_undo", args=[sent.pk, 1])
    assert address in signed_in.get(reverse("import", args=[sent.pk])).content.decode()
    answer = signed_in.post(address, follow=True)
    assert "The decision about batch 1 was undone." in words_of(answer)
    assert outcome(sent) == [("failed", "")] * 2


def test_late_undo_is_refused(signed_in: Client, sent: Import) -> None:
    answer = signed_in.post(reverse("batch_undo", args=[sent.pk, 1]), follow=True)
    assert "It is too late" in words_of(answer)


def test_import_without_ambiguous_batches_has_no_table(signed_in: Client, sent: Import) -> None:
    sent.batches.update(problem="refused")
    answer = signed_in.get(reverse("import_matching", args=[sent.pk]))
    assert answer.headers["Location"] == reverse("import", args=[sent.pk])
