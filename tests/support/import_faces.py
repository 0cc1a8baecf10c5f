"""Running `manage.py import_faces` in this process."""

import json
from io import StringIO
from typing import Any, NamedTuple

from django.core.management import CommandError, call_command

from importers.local_persona import IMPORT, LocalPersona


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        return json.loads(self.out)


def import_faces(*arguments: object) -> Outcome:
    """Run the command; the code is the exit code that `manage.py` would give."""
    out, err = StringIO(), StringIO()
    try:
        call_command("import_faces", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as refusal:
        return Outcome(refusal.returncode, out.getvalue(), f"{err.getvalue()}{refusal}")
    except SystemExit as end:
        return Outcome(int(end.code or 0), out.getvalue(), err.getvalue())
    return Outcome(0, out.getvalue(), err.getvalue())


def sent_batches(persona: LocalPersona) -> list[str]:
    """The path of every request that sent a batch."""
    return [
        request.path
        for request in persona.requests()
        if f"{request.method} " + request.path.removeprefix("/api/v1") == IMPORT
    ]
