"""A process that inspects one picture after another for `processes`. Pure: no Django.

It restricts itself before it reads a picture: how much memory it may use, how much processor time
for each picture, and that it can no longer open a file, a socket or a process. It also ends when
its parent does, even by SIGKILL: its input ends, and the kernel keeps the time limit.
"""

import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# Pillow imports the plugins only when a picture needs them: too late to open a file.
from PIL import Image, MpoImagePlugin, TiffImagePlugin

from importers.imaging import messages
from importers.imaging.decoding import Rejected
from importers.imaging.inspection import MAX_BYTES, inspect

NEEDED_PLUGINS = (MpoImagePlugin, TiffImagePlugin)
READY = {"ready": True}


def main(memory_bytes: int, processor_seconds: float) -> None:
    Image.preinit()
    _restrict(memory_bytes)
    _send(READY)
    with suppress(EOFError):  # the parent has ended
        while True:
            # When this time is used up, SIGPROF ends the process even inside a decoder.
            signal.setitimer(signal.ITIMER_PROF, processor_seconds)
            _, data = messages.unpack(_read, MAX_BYTES + 1_000)
            _send(*_answer(data))


def _answer(data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        facts = inspect(data)
    except Rejected as why:
        return {"code": why.code, "sentence": why.sentence}, b""
    words = {"format": facts.format, "width": facts.width, "height": facts.height}
    return words, facts.thumbnail


def _restrict(memory_bytes: int) -> None:
    # A signal to the whole group, such as Ctrl-C, lets the parent finish its requests first.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # Linux: if memory runs out, this ends and not the web server
        Path("/proc/self/oom_score_adj").write_text("1000")
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),  # a core dump would hold a face
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),  # those that are open
    ):
        with suppress(ValueError):  # macOS: not below what is in use
            resource.setrlimit(limit, (most, most))


def _read(count: int) -> bytes:
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _send(words: dict[str, Any], data: bytes = b"") -> None:
    sys.stdout.buffer.write(messages.pack(words, data))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
