import sys
from typing import Any

from django.core.management.base import BaseCommand

from importers.audit.verification import find_breaks
from importers.consent import approval, seal
from importers.forwarding import assignment
from importers.models import Attestation, AuditEvent


class Command(BaseCommand):
    help = (
        "Checks the audit trail's hash chain, and every attestation, decision and image against "
        "it. Exit 0: intact; 1: broken, with each break."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = [
            *find_breaks(),
            *seal.find_breaks(),
            *assignment.find_breaks(),
            *approval.find_breaks(),
        ]
        for sentence in broken:
            self.stderr.write(sentence)
        if broken:
            sys.exit(1)
        rows, seals = AuditEvent.objects.count(), Attestation.objects.count()
        self.stdout.write(f"The audit trail is intact: {rows} rows, {seals} seals.")
