"""The actions that the audit trail records: stable codes that name an object and an act."""

from enum import StrEnum


class Action(StrEnum):
    PERSON_SIGNED_IN = "person.signed_in"
    PERSON_SIGNED_OUT = "person.signed_out"
    PERSON_REFUSED = "person.refused"
    PERSON_THROTTLED = "person.throttled"
    PERSON_DENIED = "person.denied"

    LISTS_SYNCED = "lists.synced"
    LIST_ADDED = "list.added"
    LIST_POLICY_CHANGED = "list.policy_changed"

    STATEMENT_PUBLISHED = "statement.published"

    IMPORT_DRAFTED = "import.drafted"
    IMPORT_LIST_CHANGED = "import.list_changed"
    IMPORT_COPIED = "import.copied"
    IMPORT_DISCARDED = "import.discarded"
    IMPORT_ATTESTED = "import.attested"
    IMPORT_APPROVED = "import.approved"
    IMPORT_REFUSED = "import.refused"
    IMPORT_WITHDRAWN = "import.withdrawn"
    APPROVAL_DENIED = "approval.denied"
    IMPORT_SENT = "import.sent"
    IMPORT_RETRIED = "import.retried"
    IMPORT_COMPLETED = "import.completed"
    IMPORT_NEEDS_ATTENTION = "import.needs_attention"
    IMPORT_CANCELED = "import.canceled"
    IMPORTS_EXPORTED = "imports.exported"
    RECORD_EXPORTED = "record.exported"
    RECORDS_SEARCHED = "records.searched"

    IMAGES_RECEIVED = "images.received"
    IMAGES_REMOVED = "images.removed"
    IMAGES_RESTORED = "images.restored"
    IMAGES_INCLUDED = "images.included"
    ENTRIES_CHANGED = "entries.changed"
    REJECTED_CLEARED = "left_out.cleared"
    FACE_VIEWED = "face.viewed"
    GALLERY_VIEWED = "gallery.viewed"

    BATCH_QUEUED = "batch.queued"
    BATCH_SENDING = "batch.sending"
    BATCH_IN_DOUBT = "batch.unknown"
    BATCH_ACCEPTED = "batch.accepted"
    BATCH_DONE = "batch.done"
    BATCH_ERRORED = "batch.errored"
    BATCH_FAILED = "batch.failed"
    BATCH_DECIDED = "batch.decided"
    BATCH_ACKNOWLEDGED = "batch.acknowledged"
    BATCH_UNDECIDED = "batch.undecided"

    SENDING_PAUSED = "forwarding.paused"
    SENDING_RESUMED = "forwarding.resumed"
    DATABASE_RESTORED = "database.restored"
