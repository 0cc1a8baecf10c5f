import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from importers.forwarding import worker


class Command(BaseCommand):
    help = "Sends sealed imports to Persona and polls what became of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--threads", type=int, default=2, help="requests at a time (2)")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="do one step and return")
        how.add_argument(
            "--drain", action="store_true", help="return when nothing is left to send or poll"
        )

    def handle(self, *args: Any, threads: int, once: bool, drain: bool, **options: Any) -> None:
        if threads < 1:
            raise CommandError("--threads must be 1 or more.")
        if once:
            worker.step(worker.own_name())
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        worker.run(stop, threads, until=worker.is_drained if drain else lambda: False)
