"""Who did what to an import or an image, from the audit trail: each by its index, never a scan."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Max, Min, Q, QuerySet

from importers.audit.actions import Action
from importers.models import AuditEvent, Image, Import

WORDS: dict[str, str] = {
    Action.IMPORT_DRAFTED: "Created the draft",
    Action.IMPORT_LIST_CHANGED: "Changed the list",
    Action.IMAGES_RECEIVED: "Uploaded images",
    Action.IMPORT_COPIED: "Copied images from another import",
    Action.IMAGES_REMOVED: "Removed images",
    Action.IMAGES_RESTORED: "Restored images",
    Action.IMAGES_INCLUDED: "Included images that the list had",
    Action.ENTRIES_CHANGED: "Changed entries",
    Action.REJECTED_CLEARED: "Cleared rejected files",
    Action.GALLERY_VIEWED: "Viewed images",
    Action.IMPORT_ATTESTED: "Signed",
    Action.IMPORT_APPROVED: "Approved",
    Action.IMPORT_REFUSED: "Refused",
    Action.IMPORT_WITHDRAWN: "Withdrew the signature",
    Action.APPROVAL_DENIED: "Was refused: no second person",
    Action.IMPORT_SENT: "Released for sending",
    Action.IMPORT_RETRIED: "Retried batches",
    Action.IMPORT_CANCELED: "Canceled batches",
    Action.IMPORT_COMPLETED: "Completed",
    Action.IMPORT_NEEDS_ATTENTION: "Stopped: action required",
    Action.RECORD_EXPORTED: "Downloaded from the record",
}


class Act(NamedTuple):
    """What one person did to an import, once or several times."""

    words: str
    person: str
    first: datetime
    last: datetime
    times: int


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
