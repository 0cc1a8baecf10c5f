import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from importers.forwarding.claims import Leases
from importers.worker import jobs, process

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Runs a worker: sends signed imports to Persona and polls for their results."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--threads", type=int, default=2, help="requests at a time (default: 2)"
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="run a single step, then exit")
        how.add_argument(
            "--drain", action="store_true", help="exit once nothing is left to send or poll"
        )

    def handle(self, *args: Any, threads: int, once: bool, drain: bool, **options: Any) -> None:
        if threads < 1:
            raise CommandError("--threads must be 1 or more.")
        if once:
            jobs.step(Leases(process.own_name()))
            return
        stop = threading.Event()

        def stop_on_signal(number: int, _: object) -> None:
            log.info("received %s", signal.Signals(number).name)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop_on_signal)
        process.run(stop, threads, until=jobs.is_drained if drain else lambda: False)
