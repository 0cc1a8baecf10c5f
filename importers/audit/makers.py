"""The makers of an import: whoever created, changed or signed it, or what was copied into it."""

from typing import Any

from django.db.models import Q, QuerySet

from importers.audit.actions import Action
from importers.models import AuditEvent, Import, Person

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
    in_a_source = Q(action=Action.IMPORT_COPIED, details__makers__has_key=str(person.pk))
    return _making(import_id).filter(Q(actor=person) | in_a_source)


def makers_of(face_import: Import) -> dict[str, str]:
    """Return the usernames of all makers, by the accounts' ids, as `import.copied` keeps them."""
    acts = _making(str(face_import.pk))
    signers = face_import.attestations.values("signed_by")
    people = Person.objects.filter(
        Q(pk=face_import.created_by_id) | Q(pk__in=acts.values("actor")) | Q(pk__in=signers)
    )
    makers = {str(person.pk): person.get_username() for person in people}
    copied = acts.filter(action=Action.IMPORT_COPIED)
    for of_the_source in copied.values_list("details__makers", flat=True):
        makers |= of_the_source
    return makers


def _making(import_id: Any) -> QuerySet[AuditEvent]:
    acts = AuditEvent.objects.filter(object_type="import", object_id=import_id)
    return acts.filter(action__in=MAKING)
