import sys
from typing import Any

from django.core.management.base import BaseCommand

from importers import audit
from importers.models import AuditEvent


class Command(BaseCommand):
    help = "Checks the audit trail's hash chain. Exit 0: whole; 1: broken, and where."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = list(audit.breaks())
        for sentence in broken:
            self.stderr.write(sentence)
        if broken:
            sys.exit(1)
        self.stdout.write(f"The audit trail is whole: {AuditEvent.objects.count()} rows.")
