"""A process beside the benchmark, so that it takes no time from what is measured."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any


@contextmanager
def beside(run: Callable[..., None], *args: Any) -> Iterator[Connection]:
    """Call `run` with a pipe and `args` in a new process. Something is sent to it at the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run, args=(theirs, *args))
    process.start()
    try:
        yield ours
    finally:
        ours.send("stop")
        process.join()
