from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from importers import progress
from importers.forwarding import restore


def moment(text: str) -> datetime:
    """A date and time, UTC where it names no zone."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a date and time like 2026-11-23T03:00Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Run it once after the database was restored from a backup, before any worker starts: "
        "what was sent since the backup is then looked for at Persona and not sent twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--backup-from", type=moment, required=True, help="when it was made: 2026-11-23T03:00Z"
        )

    def handle(self, *args: Any, backup_from: datetime, **options: Any) -> None:
        if backup_from > datetime.now(UTC):
            raise CommandError("--backup-from lies in the future.")
        if progress.worker_is_seen():
            raise CommandError("A worker was seen within the last minute: stop every worker first.")
        batches, drafts = restore.doubt(backup_from)
        self.stdout.write(f"Batches to be looked for at Persona before they are sent: {batches}")
        if drafts:
            self.stdout.write(
                f"Drafts: {drafts}. Before one is sent, look in Persona's dashboard whether it was "
                "sent after the backup."
            )
