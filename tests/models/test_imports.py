"""The import's row: its guarded moves, and its state in words."""

import pytest

from importers.models import Import, Level
from importers.models.imports import IllegalMove

State = Import.State
pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


def test_move_needs_one_of_its_states(draft: Import) -> None:
    with pytest.raises(IllegalMove):
        draft.move(State.COMPLETED, of=(State.FORWARDING, State.NEEDS_ATTENTION))
    draft.refresh_from_db()
    assert draft.state == State.DRAFT


def test_move_counts_the_stored_state(draft: Import) -> None:
    """This object may be older than the row."""
    Import.objects.update(state=State.CANCELED)
    with pytest.raises(IllegalMove):
        draft.move(State.FORWARDING, of=(State.DRAFT,))
    assert Import.objects.get().state == State.CANCELED


@pytest.mark.parametrize("state", State)
def test_only_an_import_that_needs_attention_reopens(draft: Import, state: Import.State) -> None:
    Import.objects.update(state=state)
    draft.reopen()
    reopened = State.FORWARDING if state == State.NEEDS_ATTENTION else state
    assert Import.objects.get().state == reopened


@pytest.mark.parametrize(
    ("state", "error_count", "label", "level"),
    [
        (State.COMPLETED, None, "Completed", Level.SUCCESS),
        (State.COMPLETED, 0, "Completed", Level.SUCCESS),
        (State.COMPLETED, 1, "Completed with errors", Level.WARNING),
        (State.NEEDS_ATTENTION, 1, "Action required", Level.ERROR),
        (State.FORWARDING, 1, "Sending", Level.INFO),
        (State.DRAFT, None, "Draft", Level.NEUTRAL),
    ],
)
def test_completed_import_with_errors_says_so(
    state: Import.State, error_count: int | None, label: str, level: Level
) -> None:
    face_import = Import(state=state)
    face_import.error_count = error_count
    assert (face_import.label, face_import.level) == (label, level)
