"""Random delays of tests that kill processes."""

import os
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def random_delays() -> Iterator[random.Random]:
    """A failure names the seed that repeats the same delays."""
    seed = int(os.environ.get("KILL_SEED", secrets.randbits(32)))
    try:
        yield random.Random(seed)  # noqa: S311
    except BaseException as failure:
        failure.add_note(f"KILL_SEED={seed} repeats these delays.")
        raise
