"""Real disks that are full or read-only, where the tests may mount one."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

MOUNT, UMOUNT = "/bin/mount", "/bin/umount"
DISK_BYTES, LEFT_BYTES = 1_048_576, 65_536
Mend = Callable[[], object]


@contextmanager
def full_disk(folder: Path) -> Iterator[Mend]:
    """Mount a disk of one megabyte that is full. Yields a function that frees space."""
    with _disk(folder):
        filler = folder / "filler"
        filler.write_bytes(bytes(DISK_BYTES - LEFT_BYTES))
        yield filler.unlink


@contextmanager
def read_only_disk(folder: Path) -> Iterator[Mend]:
    """Mount a read-only disk. Yields a function that makes it writable."""
    with _disk(folder):
        _remount(folder, "ro")
        yield partial(_remount, folder, "rw")


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    mount = [MOUNT, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"No file system can be mounted here: {getattr(error, 'stderr', error)!r}")
    try:
        yield
    finally:
        subprocess.run([UMOUNT, "--lazy", folder], check=True)


def _remount(folder: Path, mode: str) -> None:
    subprocess.run([MOUNT, "-o", f"remount,{mode}", str(folder)], check=True)
