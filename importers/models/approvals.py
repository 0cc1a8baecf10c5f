from django.db import models
from django.db.models import Q

from importers.models.consent import Attestation
from importers.models.people import Person


class Approval(models.Model):
    """A second person's decision about an attestation. Never edited.

    The audit trail holds a hash over `consent.approval.FIELDS`.
    """

    class Decision(models.TextChoices):
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    attestation = models.ForeignKey(Attestation, on_delete=models.PROTECT, related_name="approvals")
    decision = models.CharField(max_length=10, choices=Decision)
    reason = models.TextField(max_length=2000, blank=True, help_text="required for a refusal")
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="approvals")
    # A copy: an account may be renamed later.
    decided_by_username = models.CharField(max_length=150)
    decided_at = models.DateTimeField()
    decided_from = models.CharField(max_length=100, help_text="IP address")
    sign_in_method = models.CharField(max_length=100)
    seal = models.CharField(max_length=64, help_text="that of the attestation, as it was shown")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(decision="approved") | (Q(decision="refused") & ~Q(reason="")),
                name="refusal_has_a_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_decision_display()} by {self.decided_by_username}"
