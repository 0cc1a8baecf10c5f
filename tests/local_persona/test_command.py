"""manage.py local_persona."""

import io
import os
import re
import signal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from importers.local_persona import FAULTS, LocalPersona
from importers.management.commands.local_persona import Command


class StopOnceListening(io.StringIO):
    def __init__(self, name: signal.Signals) -> None:
        super().__init__()
        self.name = name

    def write(self, text: str) -> int:
        if "listens" in text:
            os.kill(os.getpid(), self.name)
        return super().write(text)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_command_listens_until_a_signal(name: signal.Signals) -> None:
    out = StopOnceListening(name)
    call_command("local_persona", "--port=0", "--fault=slow:2", "--fault=camel", stdout=out)
    assert re.fullmatch(
        r"Local Persona listens on http://127\.0\.0\.1:\d+/api/v1\n"
        r"Local Persona has stopped\.\n",
        out.getvalue(),
    )


def test_command_names_a_port_in_use(persona: LocalPersona) -> None:
    port = persona.url.split(":")[2].split("/")[0]
    with pytest.raises(CommandError, match=f"Port {port} is in use. .* another port with --port"):
        call_command("local_persona", f"--port={port}")


def test_command_refuses_a_state_file_of_another_kind(tmp_path: Path) -> None:
    state = tmp_path / "notes.txt"
    state.write_text("no database" * 99)
    with pytest.raises(CommandError, match="cannot start: file is not a database"):
        call_command("local_persona", "--port=0", f"--state={state}")


@pytest.mark.parametrize("switch", ["--delay=-1", "--rate-limit=-1"])
def test_command_refuses_a_negative_number(switch: str) -> None:
    with pytest.raises(CommandError, match="cannot be negative"):
        call_command("local_persona", "--port=0", switch)


@pytest.mark.parametrize("nonsense", ["earthquake", "slow:", "slow:0", "slow:x"])
def test_command_refuses_an_unknown_fault(nonsense: str) -> None:
    with pytest.raises(CommandError, match="--fault"):
        call_command("local_persona", "--port=0", f"--fault={nonsense}")


def test_help_has_the_counting_rule_and_every_fault() -> None:
    text = Command().create_parser("manage.py", "local_persona").format_help()
    assert "Counting rule" in text
    assert all(f"  {name}" in text for name in FAULTS)
