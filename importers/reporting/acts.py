"""Who did what to an import, an image or an account, from the audit trail by its index."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Max, Min, Q, QuerySet

from importers.audit.actions import Action
from importers.audit.actors import OPERATOR
from importers.models import AuditEvent, Image, Import, Person
from importers.models.people import Method

WORDS: dict[str, str] = {
    Action.IMPORT_DRAFTED: "Created the draft",
    Action.IMPORT_LIST_CHANGED: "Changed the list",
    Action.IMPORT_HANDED_OVER: "Handed the draft over",
    Action.IMAGES_RECEIVED: "Uploaded images",
    Action.IMPORT_COPIED: "Copied images from another import",
    Action.IMAGES_REMOVED: "Removed images",
    Action.IMAGES_RESTORED: "Restored images",
    Action.IMAGES_INCLUDED: "Included images that the list had",
    Action.ENTRIES_CHANGED: "Changed entries",
    Action.REJECTED_CLEARED: "Cleared rejected files",
    Action.GALLERY_VIEWED: "Viewed images",
    Action.IMPORT_ATTESTED: "Signed",
    Action.IMPORT_SENT: "Released for sending",
    Action.IMPORT_RETRIED: "Retried batches",
    Action.IMPORT_CANCELED: "Canceled batches",
    Action.IMPORT_COMPLETED: "Completed",
    Action.IMPORT_NEEDS_ATTENTION: "Stopped: action required",
    Action.RECORD_EXPORTED: "Downloaded from the record",
    Action.PERSON_SIGNED_IN: "Signed in",
    Action.PERSON_REFUSED: "Sign-in or confirmation refused",
    Action.PERSON_THROTTLED: "Too many attempts: refused for some minutes",
    Action.PERSON_PASSWORD_CHANGED: "Password changed",
    Action.PERSON_PASSWORD_SET: "Password set by a link",
    Action.PERSON_FACTOR_ADDED: "Second factor added",
    Action.PERSON_FACTOR_REMOVED: "Second factor removed",
    Action.PERSON_RECOVERY_CODES_MADE: "Recovery codes made",
    Action.PERSON_RECOVERY_CODE_USED: "Recovery code used",
}
MOST_EVENTS = 20


class Act(NamedTuple):
    """What one person did to an import, once or several times."""

    words: str
    person: str
    first: datetime
    last: datetime
    times: int


class AccountEvent(NamedTuple):
    """What happened to an account. `by_another` means an administrator or operator."""

    at: datetime
    words: str
    person: str
    by_another: bool
    address: str


def of_account(person: Person) -> list[AccountEvent]:
    """Return what concerns the security of the account, the latest first: at most 20 events."""
    events = AuditEvent.objects.filter(object_type="person", object_id=str(person.pk))
    newest = events.exclude(action=Action.PERSON_SIGNED_OUT).order_by("-pk")[:MOST_EVENTS]
    return [_account_event(event, person) for event in newest]


def _account_event(event: AuditEvent, person: Person) -> AccountEvent:
    words = WORDS.get(event.action, event.action)
    named = [*event.details.get("methods", []), event.details.get("type", "")]
    means = ", ".join(Method(code).label for code in named if code in Method)
    is_known = event.actor_id is not None or event.actor_name == OPERATOR.name
    return AccountEvent(
        event.at,
        f"{words} ({means})" if means else words,
        event.actor_name if is_known else "Somebody who was not signed in",
        is_known and event.actor_id != person.pk,
        event.address,
    )


def of_import(face_import: Import) -> list[Act]:
    """Return the acts in the order in which they began."""
    events = AuditEvent.objects.filter(object_type="import", object_id=str(face_import.pk))
    grouped = events.order_by().values_list("action", "actor_name")
    counted = grouped.annotate(first=Min("at"), last=Max("at"), times=Count("pk"), start=Min("pk"))
    return [
        Act(WORDS.get(action, action), person, first, last, times)
        for action, person, first, last, times, _ in counted.order_by("start")
    ]


def upload_of(image: Image) -> AuditEvent | None:
    """Return the row that names the image as received."""
    key = str(image.pk)
    named = Q(details__accepted__has_key=key) | Q(details__rejected__has_key=key)
    return _of_import_of(image, Action.IMAGES_RECEIVED).filter(named).first()


def views_of(image: Image) -> list[AuditEvent]:
    """Return who saw the face, the latest first: alone, or on a page with others."""
    alone = AuditEvent.objects.filter(
        object_type="image", object_id=str(image.pk), action=Action.FACE_VIEWED
    )
    pages = _of_import_of(image, Action.GALLERY_VIEWED).iterator()
    seen = [*alone, *(page for page in pages if image.pk in page.details["images"])]
    return sorted(seen, key=lambda event: event.pk, reverse=True)


def _of_import_of(image: Image, action: Action) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(
        object_type="import", object_id=str(image.face_import_id), action=action
    )
