"""Who did what to an import, an image or an account, from the audit trail by its index."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Max, Min, Q, QuerySet

from importers.audit.actions import Action
from importers.audit.actors import OPERATOR
from importers.models import AuditEvent, Image, Import, Person
from importers.models.people import Method

GROUPS: dict[str, dict[Action, str]] = {
    "People": {
        Action.PERSON_SIGNED_IN: "Signed in",
        Action.PERSON_SIGNED_OUT: "Signed out",
        Action.PERSON_REFUSED: "Was refused sign-in or confirmation",
        Action.PERSON_THROTTLED: "Was refused sign-in: too many attempts",
        Action.PERSON_SESSION_ENDED: "Was signed out: the session was over",
        Action.PERSON_SESSIONS_ENDED: "Ended sessions",
        Action.PERSON_DENIED: "Was refused access",
        Action.PERSON_PASSWORD_CHANGED: "Changed the password",
        Action.PERSON_PASSWORD_SET: "Set the password by a link",
        Action.PERSON_FACTOR_ADDED: "Added a second factor",
        Action.PERSON_FACTOR_REMOVED: "Removed a second factor",
        Action.PERSON_RECOVERY_CODES_MADE: "Made recovery codes",
        Action.PERSON_RECOVERY_CODE_USED: "Used a recovery code",
        Action.PERSON_CONNECTED: "Connected single sign-on",
        Action.PERSON_DISCONNECTED: "Disconnected single sign-on",
        Action.PERSON_CREATED: "Got an account by single sign-on",
        Action.PERSON_INVITED: "Invited the person",
        Action.PERSON_CHANGED: "Changed the account",
        Action.PERSON_ROLES_CHANGED: "Changed the roles",
        Action.PERSON_DEACTIVATED: "Deactivated the account",
        Action.PERSON_REACTIVATED: "Reactivated the account",
        Action.PERSON_LINK_MADE: "Made a one-time link",
    },
    "Imports": {
        Action.IMPORT_DRAFTED: "Created the draft",
        Action.IMPORT_LIST_CHANGED: "Changed the list",
        Action.ANSWERS_CHANGED: "Changed the answers",
        Action.IMPORT_HANDED_OVER: "Handed the draft over",
        Action.IMPORT_COPIED: "Copied images from another import",
        Action.IMPORT_DISCARDED: "Discarded the draft",
        Action.IMPORT_ATTESTED: "Signed",
        Action.IMPORT_APPROVED: "Approved",
        Action.IMPORT_REFUSED: "Refused",
        Action.IMPORT_WITHDRAWN: "Withdrew the signature",
        Action.APPROVAL_DENIED: "Tried to decide about their own import",
        Action.IMPORT_SENT: "Released for sending",
        Action.IMPORT_RETRIED: "Retried batches",
        Action.IMPORT_CANCELED: "Canceled batches",
        Action.IMPORT_COMPLETED: "Completed",
        Action.IMPORT_NEEDS_ATTENTION: "Stopped: action required",
        Action.IMPORT_RECOUNTED: "Corrected the counts",
        Action.IMPORTS_EXPORTED: "Exported the list of imports",
        Action.RECORD_VIEWED: "Read the record",
        Action.RECORD_EXPORTED: "Downloaded from the record",
        Action.RECORDS_SEARCHED: "Searched the records",
    },
    "Images": {
        Action.IMAGES_RECEIVED: "Uploaded images",
        Action.IMAGES_REMOVED: "Removed images",
        Action.IMAGES_RESTORED: "Restored images",
        Action.IMAGES_INCLUDED: "Included images that the list had",
        Action.ENTRIES_CHANGED: "Changed entries",
        Action.ENTRIES_UPLOADED: "Uploaded entries",
        Action.ENTRIES_DISMISSED: "Dismissed uploaded entries",
        Action.REJECTED_CLEARED: "Cleared rejected files",
        Action.GALLERY_VIEWED: "Viewed images",
        Action.FACE_VIEWED: "Viewed one image",
    },
    "Batches": {
        Action.BATCH_QUEUED: "Queued the batch again",
        Action.BATCH_SENDING: "Sent the batch",
        Action.BATCH_IN_DOUBT: "Got no clear answer for the batch",
        Action.BATCH_ACCEPTED: "Persona accepted the batch",
        Action.BATCH_DONE: "Persona processed the batch",
        Action.BATCH_ERRORED: "Persona could not import the batch",
        Action.BATCH_FAILED: "Stopped the batch: action required",
        Action.BATCH_DECIDED: "Matched the batch",
        Action.BATCH_UNDECIDED: "Undid the match of the batch",
        Action.BATCH_ACKNOWLEDGED: "Acknowledged the failed batch",
    },
    "Lists and statements": {
        Action.LISTS_SYNCED: "Synced the lists",
        Action.LIST_ADDED: "Added the list",
        Action.LIST_POLICY_CHANGED: "Changed the policy of the list",
        Action.STATEMENT_PUBLISHED: "Published the statement",
    },
    "Sending": {
        Action.SENDING_PAUSED: "Paused sending",
        Action.SENDING_RESUMED: "Resumed sending",
        Action.DATABASE_RESTORED: "Put unsent batches in doubt after a restore",
    },
    "Audit": {
        Action.TRAIL_READ: "Read the audit trail",
        Action.TRAIL_EXPORTED: "Exported the audit trail",
        Action.FACES_REPORTED: "Asked who saw which faces",
        Action.FACES_EXPORTED: "Exported who saw which faces",
    },
}
WORDS: dict[str, str] = {
    action: words for group in GROUPS.values() for action, words in group.items()
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
