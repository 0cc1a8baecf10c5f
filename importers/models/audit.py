from django.db import models
from django.db.models import Q

from importers.models.people import Person


class AuditEvent(models.Model):
    """Who did what to which object, and when. Each row is hashed over the row before it."""

    at = models.DateTimeField()
    actor = models.ForeignKey(
        Person,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,  # an index below begins with it
    )
    # A copy: an account may be renamed later.
    actor_name = models.CharField(max_length=150, help_text="the username, or 'worker'")
    address = models.CharField(max_length=100, blank=True)
    action = models.CharField(max_length=50)
    object_type = models.CharField(max_length=30, blank=True)
    object_id = models.CharField(max_length=100, blank=True)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["pk"]
        # One for each filter of the audit page, in the order of its rows, and with all that a page
        # is found by (`reporting.trail`).
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            # Two, because SQLite expects as many rows without an account as of each account.
            models.Index(
                fields=["actor", "id", "at"],
                condition=Q(actor__isnull=False),
                name="audit_actor",
            ),
            models.Index(
                fields=["actor_name", "id", "at"],
                condition=Q(actor__isnull=True),
                name="audit_no_account",
            ),
            models.Index(fields=["action", "id", "at"], name="audit_action"),
            models.Index(fields=["object_type", "object_id", "id", "at"], name="audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_type} {self.object_id}".strip()


class AuditHead(models.Model):
    """The end of the chain. It is the chain's lock, and shows if rows were cut off at the end."""

    length = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)

    def __str__(self) -> str:
        return f"Head after {self.length} rows"
