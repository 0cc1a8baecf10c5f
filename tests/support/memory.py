"""The memory of another process."""

import re
from pathlib import Path


def most_kilobytes(pid: int) -> int:
    """The most kilobytes that have been resident so far. Return 0 once it has ended."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0
