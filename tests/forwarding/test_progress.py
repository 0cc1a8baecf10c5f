"""The progress that an import's page shows."""

from collections.abc import Callable

import pytest
from django.test import Client

from importers.forwarding import progress
from importers.models import Batch, Import
from tests.support.makers import MakeImports
from tests.support.pages import page_of

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


def test_batches_in_trouble_are_shown_first(make_batches: MakeBatches) -> None:
    others = {7: State.IMPORTING, 30: State.FAILED, 44: State.ERRORED, 45: State.DONE}
    assert shown(make_batches(60, others))[:4] == [30, 44, 7, 1]


def test_batches_that_fit_on_a_page_keep_their_order(make_batches: MakeBatches) -> None:
    others = {1: State.DONE, 3: State.FAILED}
    count = progress.BATCHES_SHOWN
    assert shown(make_batches(count, others)) == list(range(1, count + 1))


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
