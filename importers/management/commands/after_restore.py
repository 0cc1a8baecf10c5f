from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from importers.forwarding.restore import doubt_unsent
from importers.models.workers import worker_is_seen


def moment(text: str) -> datetime:
    """Return a date and time, in UTC if it names no time zone."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a date and time like 2026-11-23T03:00Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Run this once after the database was restored from a backup, before any worker starts. "
        "Consentry then searches Persona for every batch that may have been sent since, so that "
        "none is sent twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--backup-from",
            type=moment,
            required=True,
            help="when the backup was made: 2026-11-23T03:00Z",
        )

    def handle(self, *args: Any, backup_from: datetime, **options: Any) -> None:
        if backup_from > datetime.now(UTC):
            raise CommandError("--backup-from is in the future.")
        if worker_is_seen():
            raise CommandError("A worker reported within the last minute. Stop every worker first.")
        batches, uncut = doubt_unsent(backup_from)
        self.stdout.write(f"Batches to recover before they are sent: {batches}")
        if uncut:
            self.stdout.write(
                f"Drafts, and imports that await approval: {uncut}. Before you send or approve "
                "one, check in Persona's dashboard that it was not sent after the backup."
            )
