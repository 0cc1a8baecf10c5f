"""The progress that an import's page shows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.test import Client

from importers.forwarding import progress
from importers.models import Batch, Import, Problem
from tests.support.makers import MakeImports
from tests.support.pages import page_of, words

State = Batch.State
pytestmark = pytest.mark.django_db
MakeBatches = Callable[..., Import]


@pytest.fixture
def make_batches(make_imports: MakeImports) -> MakeBatches:
    """Make an import of batches without images; `others` gives the state of single batches."""

    def make(count: int, others: dict[int, Batch.State] | None = None) -> Import:
        (face_import,) = make_imports(1, state=Import.State.FORWARDING)
        Batch.objects.bulk_create(
            Batch(
                face_import=face_import,
                number=number,
                image_count=50,
                state=(others or {}).get(number, State.QUEUED),
                idempotency_key=None,
                importer_id=f"mprt_{number}",
            )
            for number in range(1, count + 1)
        )
        return face_import

    return make


def shown(face_import: Import, page: str | None = None) -> list[int]:
    return [batch.number for batch in progress.of_import(face_import, page).shown_batches]


def exceptions(face_import: Import) -> list[int]:
    return [batch.number for batch in progress.of_import(face_import).exceptions]


def report(face_import: Import, number: int, *counts: int | None) -> None:
    names = ("successful_count", "duplicate_count", "error_count")
    face_import.batches.filter(number=number).update(**dict(zip(names, counts, strict=True)))


def test_batches_in_trouble_are_apart_and_those_in_progress_come_first(
    make_batches: MakeBatches,
) -> None:
    others = {7: State.IMPORTING, 30: State.FAILED, 44: State.ERRORED, 45: State.DONE}
    face_import = make_batches(60, others)
    assert exceptions(face_import) == [30, 44]
    assert shown(face_import)[:3] == [7, 1, 2]


def test_few_batches_are_all_shown_in_their_order(make_batches: MakeBatches) -> None:
    count = progress.FEW_BATCHES
    face_import = make_batches(count, {3: State.FAILED})
    assert exceptions(face_import) == []
    assert shown(face_import) == list(range(1, count + 1))


def test_batches_that_fit_on_a_page_keep_their_order(make_batches: MakeBatches) -> None:
    others = {1: State.DONE, 3: State.IMPORTING}
    count = progress.BATCHES_SHOWN
    assert shown(make_batches(count, others)) == list(range(1, count + 1))


@pytest.mark.parametrize(
    "values",
    [
        {"problem": Problem.NO_ANSWER, "state": State.UNKNOWN, "idempotency_key": UUID(int=1)},
        {"decided_at": Now(), "state": State.IMPORTING},
        {"accepted_at": Now() - timedelta(hours=1), "state": State.IMPORTING},
    ],
)
def test_batch_that_waits_or_was_decided_is_an_exception(
    values: dict[str, Any], make_batches: MakeBatches
) -> None:
    face_import = make_batches(8)
    face_import.batches.filter(number=5).update(**values)
    assert exceptions(face_import) == [5]


def test_canceled_batch_is_no_exception(make_batches: MakeBatches) -> None:
    face_import = make_batches(8, {5: State.CANCELED})
    face_import.batches.filter(number=5).update(problem=Problem.REFUSED)
    assert exceptions(face_import) == []


def test_exceptions_that_do_not_fit_come_first_among_the_others(make_batches: MakeBatches) -> None:
    most = progress.EXCEPTIONS_SHOWN
    face_import = make_batches(60, dict.fromkeys(range(31, 61), State.FAILED))
    assert exceptions(face_import) == list(range(31, 31 + most))
    assert shown(face_import)[:11] == [*range(31 + most, 61), 1]


def test_thousands_of_batches_come_a_page_at_a_time(make_batches: MakeBatches) -> None:
    face_import = make_batches(2000)
    assert len(shown(face_import)) == progress.BATCHES_SHOWN
    assert shown(face_import, "2")[0] == progress.BATCHES_SHOWN + 1
    assert shown(face_import, "nonsense")[0] == 1


def test_polled_page_stays_the_page_that_is_shown(
    make_batches: MakeBatches, signed_in: Client
) -> None:
    face_import = make_batches(60)
    html = page_of(signed_in, face_import, "?batches=2")
    assert f"/imports/{face_import.pk}/progress/?seen=" in html
    assert "&amp;batches=2" in html
    polled = signed_in.get(f"/imports/{face_import.pk}/progress/?seen=old&batches=2")
    numbers = [batch.number for batch in polled.context["progress"].shown_batches]
    assert numbers == list(range(progress.BATCHES_SHOWN + 1, 2 * progress.BATCHES_SHOWN + 1))


def test_canceled_images_await_no_result(make_batches: MakeBatches) -> None:
    face_import = make_batches(3, {1: State.CANCELED})
    assert progress.of_import(face_import).awaiting_count == 100


def test_failed_images_await_a_person_and_no_result(make_batches: MakeBatches) -> None:
    found = progress.of_import(make_batches(3, {1: State.FAILED}))
    assert (found.awaiting_count, found.failed_count) == (100, 50)


@pytest.mark.parametrize("state", [State.DONE, State.ERRORED])
def test_images_that_persona_did_not_report_await_no_result(
    state: Batch.State, make_batches: MakeBatches
) -> None:
    face_import = make_batches(2, {1: state})
    report(face_import, 1, 40, 3, 0)
    found = progress.of_import(face_import)
    assert (found.awaiting_count, found.unreported_count, found.uneven_count) == (50, 7, 1)


def test_surplus_of_one_batch_hides_no_image_of_another(make_batches: MakeBatches) -> None:
    face_import = make_batches(2, {1: State.DONE})
    report(face_import, 1, 80, 0, 0)
    found = progress.of_import(Import.objects.get(pk=face_import.pk))
    assert (found.image_count, found.successful_count, found.awaiting_count) == (100, 80, 50)
    assert (found.unreported_count, found.uneven_count) == (0, 1)


def test_bar_is_as_long_as_what_persona_reported(make_batches: MakeBatches) -> None:
    face_import = make_batches(1)
    assert progress.of_import(face_import).bar_length == 50
    report(face_import, 1, 50, 10, 5)
    assert progress.of_import(Import.objects.get(pk=face_import.pk)).bar_length == 65


def test_canceled_import_awaits_nothing(make_batches: MakeBatches) -> None:
    found = progress.of_import(make_batches(2, dict.fromkeys((1, 2), State.CANCELED)))
    assert (found.awaiting_count, found.canceled_count, found.uneven_count) == (0, 100, 0)


def test_page_names_counts_that_do_not_add_up(make_batches: MakeBatches, signed_in: Client) -> None:
    face_import = make_batches(2, {1: State.DONE})
    report(face_import, 1, 80, 0, 0)
    text = words(page_of(signed_in, face_import))
    assert "Persona's counts do not add up to the images of 1 batch." in text
