import errno
import signal
import sqlite3
import threading
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from importers.local_persona import DEFAULT_KEY, FAULTS, LocalPersona

COUNTING_RULE = """\
Counting rule (ours; Persona states none): a file that cannot be decoded completely as JPEG
or PNG is an error; an image whose SHA-256 is in the list already, or came earlier in the same
request, is a duplicate; anything else is successful.
"""


def _described() -> str:
    width = max(map(len, FAULTS))
    lines = [
        f"  {name:{width}}  {kind.description} [{kind.where}]" for name, kind in FAULTS.items()
    ]
    title = "Faults [and the requests that they strike]; a stored reply is replayed under its key:"
    return "\n".join([COUNTING_RULE, title, *lines])


def fault(text: str) -> tuple[str, int | None]:
    """NAME or NAME:TIMES; without TIMES the fault strikes until the server stops."""
    name, colon, times = text.partition(":")
    if name not in FAULTS:
        raise ArgumentTypeError(f"there is no fault {name!r}; --help lists them")
    if not colon:
        return name, None
    if not (times.isascii() and times.isdigit() and int(times) > 0):
        raise ArgumentTypeError(f"{times!r} is not a number of times; write {name}:3")
    return name, int(times)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    names = (signal.SIGTERM, signal.SIGINT)
    former = {name: signal.signal(name, lambda *_: stop.set()) for name in names}
    try:
        yield stop
    finally:
        for name, handler in former.items():
            signal.signal(name, handler)


class Command(BaseCommand):
    help = "Runs Local Persona, a stand-in for Persona's API on 127.0.0.1, until stopped."
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        layout = {"formatter_class": RawDescriptionHelpFormatter, "epilog": _described()}
        return super().create_parser(prog_name, subcommand, **kwargs, **layout)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument("--state", type=Path, help="SQLite file that outlives a restart")
        parser.add_argument(
            "--delay", type=float, default=2, help="seconds until an importer is ready"
        )
        parser.add_argument(
            "--rate-limit", type=int, default=300, help="requests a minute; 0: no limit"
        )
        parser.add_argument("--api-key", default=DEFAULT_KEY, help="the key that is accepted")
        parser.add_argument(
            "--fault",
            dest="faults",
            type=fault,
            action="append",
            default=[],
            metavar="NAME[:TIMES]",
            help="misbehave for the next TIMES requests, or always; repeatable",
        )

    def handle(self, **options: Any) -> None:
        if options["delay"] < 0 or options["rate_limit"] < 0:
            raise CommandError("--delay and --rate-limit cannot be negative.")
        persona = LocalPersona(
            port=options["port"],
            state=options["state"],
            delay=options["delay"],
            rate_limit=options["rate_limit"] or None,
            api_key=options["api_key"],
        )
        for name, times in options["faults"]:
            persona.faults.inject(name, times)
        with stop_signals() as stop:
            self._start(persona, options["port"])
            self.stdout.write(f"Local Persona listens on {persona.url}")
            self.stdout.flush()
            stop.wait()
            persona.stop()
        self.stdout.write("Local Persona has stopped.")

    def _start(self, persona: LocalPersona, port: int) -> None:
        try:
            persona.start()
        except (OSError, OverflowError, sqlite3.Error) as cause:
            if getattr(cause, "errno", None) == errno.EADDRINUSE:
                raise CommandError(
                    f"Port {port} is in use. Stop the program that uses it, or choose another port "
                    "with --port."
                ) from cause
            raise CommandError(f"Local Persona cannot start: {cause}.") from cause
