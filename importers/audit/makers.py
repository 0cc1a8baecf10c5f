"""The makers of an import: whoever created, changed or signed it."""

from typing import Any

from django.db.models import QuerySet

from importers.audit.actions import Action
from importers.models import AuditEvent, Person

# By any of these, a person takes part in making an import.
MAKING = (
    *(Action.IMPORT_DRAFTED, Action.IMPORT_LIST_CHANGED, Action.IMPORT_COPIED),
    *(Action.IMAGES_RECEIVED, Action.IMAGES_REMOVED, Action.IMAGES_RESTORED),
    *(Action.IMAGES_INCLUDED, Action.REJECTED_CLEARED, Action.ANSWERS_CHANGED),
    *(Action.ENTRIES_CHANGED, Action.ENTRIES_UPLOADED, Action.ENTRIES_DISMISSED),
    Action.IMPORT_ATTESTED,
)


def acts_of(person: Person, import_id: Any) -> QuerySet[AuditEvent]:
    """Return the rows by which the person is a maker of the import. The id is a text in SQL."""
    acts = AuditEvent.objects.filter(object_type="import", object_id=import_id)
    return acts.filter(action__in=MAKING, actor=person)
