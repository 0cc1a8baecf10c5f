from django.db import models


class Problem(models.TextChoices):
    """Why a batch, a face list or the gateway does not proceed: stable codes for rows and tests.

    docs/operations.md says what each asks of an operator.
    """

    # The gateway: nothing can be sent at all. The breaker is open.
    UNREACHABLE = "unreachable"
    KEY_REFUSED = "key_refused"
    RATE_LIMITED = "rate_limited"
    # The gateway or a batch in doubt.
    SERVER_TROUBLE = "server_trouble"
    # One face list does not accept images.
    LIST_REFUSED = "list_refused"
    LIST_UNKNOWN = "list_unknown"
    # A batch in doubt: it was sent, and may have arrived.
    NO_ANSWER = "no_answer"
    NO_CLEAR_ANSWER = "no_clear_answer"
    GATEWAY_TROUBLE = "gateway_trouble"
    CONFLICT = "conflict"
    RESTORED = "restored"
    # A batch that waits and is tried again automatically.
    NOT_ARRIVED = "not_arrived"
    STORAGE_UNREADABLE = "storage_unreadable"
    IMPORTER_GONE = "importer_gone"
    # A batch that waits for a person.
    REFUSED = "refused"
    KEEPS_FAILING = "keeps_failing"
    WORKERS_DIED = "workers_died"
    KEY_REUSED = "key_reused"
    SEAL_BROKEN = "seal_broken"
    NOT_APPROVED = "not_approved"
    IMAGE_MISSING = "image_missing"
    IMPORTER_TAKEN = "importer_taken"
    AMBIGUOUS = "ambiguous"
