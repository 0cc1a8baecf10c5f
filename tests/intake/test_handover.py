"""Open drafts of one person are handed over to a colleague who may make imports."""

import pytest

from importers.audit.actors import Actor
from importers.intake import handover
from importers.models import AuditEvent, Import, Person, Role
from tests.support.makers import MakeImports
from tests.support.people import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.on_both_databases]


@pytest.fixture
def colleague(db: None) -> Person:
    return make_person("noor", Role.OFFICER)


def test_every_open_draft_is_handed_over_and_recorded(
    officer: Person, colleague: Person, actor: Actor, make_imports: MakeImports
) -> None:
    make_imports(1, state="completed")
    make_imports(1, created_by=colleague)
    drafts = make_imports(2)
    assert handover.hand_over(officer, colleague, actor) == 2
    assert not handover.open_drafts(officer).exists()
    assert handover.open_drafts(colleague).count() == 3
    rows = AuditEvent.objects.filter(action="import.handed_over")
    assert {int(row.object_id) for row in rows} == {draft.pk for draft in drafts}
    assert all(row.details == {"before": "officer", "after": "noor"} for row in rows)
    assert set(Import.objects.filter(handed_to=colleague)) == set(drafts)
    assert {draft.created_by for draft in Import.objects.filter(handed_to=colleague)} == {officer}


def test_draft_can_be_handed_on(
    officer: Person, colleague: Person, actor: Actor, make_imports: MakeImports
) -> None:
    make_imports(1)
    third = make_person("third", Role.OFFICER)
    handover.hand_over(officer, colleague, actor)
    assert handover.hand_over(colleague, third, actor) == 1
    assert handover.open_drafts(third).count() == 1


def test_only_who_may_make_imports_takes_drafts(
    officer: Person, actor: Actor, make_imports: MakeImports
) -> None:
    make_imports(1)
    closed = make_person("closed", Role.OFFICER, is_active=False)
    for person in (make_person("approver", Role.APPROVER), closed, officer):
        with pytest.raises(handover.CannotMakeImports):
            handover.hand_over(officer, person, actor)
    assert handover.open_drafts(officer).count() == 1
