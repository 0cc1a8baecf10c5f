"""Work in threads that use the database."""

import threading
from collections.abc import Callable

from django.db import connection as database


def in_a_thread(work: Callable[[], object]) -> None:
    """Do the work, then close the database connection of this thread."""
    try:
        work()
    finally:
        database.close()


def at_once[T](threads: int, work: Callable[[str], T]) -> list[T]:
    """Do the work in threads that start together, and return their results.

    Each thread calls `work` with a name of its own.
    """
    start = threading.Barrier(threads)
    results: list[T] = []

    def one(name: str) -> None:
        try:
            start.wait(10)
            results.append(work(name))
        finally:
            database.close()

    running = [threading.Thread(target=one, args=(f"worker {n}",)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert len(results) == threads
    return results
