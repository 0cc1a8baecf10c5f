"""Checking the audit trail's chain from its first row to its head."""

from collections.abc import Iterator

from importers.audit import trail
from importers.models import AuditEvent


def find_breaks() -> Iterator[str]:
    """Check the whole chain and yield a sentence for each break. Rows may be added meanwhile."""
    previous, length = "0" * 64, 0
    head = trail.head()  # read first: rows that are added from now on come after it
    fits = (head.length, head.hash) == (length, previous)
    for event in AuditEvent.objects.order_by("pk").iterator():
        length += 1
        if event.pk != length:
            yield f"Row {length} is missing: the next one is row {event.pk}."
            length = event.pk
        if event.previous_hash != previous:
            yield f"Row {event.pk} does not follow the row before it."
        if event.hash != trail.hash_of(event):
            yield f"Row {event.pk} ({event.action}) was changed after it was written."
        previous = event.hash
        if event.pk == head.length:
            fits = event.hash == head.hash
    if not fits or trail.head().length < length:
        yield f"The chain, which ends at row {length}, does not match its head (row {head.length})."
