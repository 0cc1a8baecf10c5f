import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import browser, forwarding, intake, pages, polls, suite, worker
from tests.bench.figures import Bench, print_figure, say
from tests.support.postgresql import find_binaries, server

PARTS = {
    "intake": intake,
    "pages": pages,
    "polls": polls,
    "browser": browser,
    "forwarding": forwarding,
    "worker": worker,
    "suite": suite,
}


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Yield the name and the server of each database; SQLite has none."""
    binaries = find_binaries()
    if binaries is None:
        say("PostgreSQL is not installed, so only SQLite is measured.")
        yield {"SQLite": ""}
        return
    with server(binaries) as url:
        yield {"SQLite": "", "PostgreSQL": url}


def main(names: list[str]) -> int:
    """Measure all parts, or those that are named. Return 1 if a goal was missed."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as folder, databases() as servers:
        for database, url in servers.items():
            bench = Bench(Path(folder), url, is_full="FULL" in os.environ)
            say(f"\n  {database:58} {'goal':>10}  {'baseline':>14}  {'ours':>20}")
            for name in names or PARTS:
                for figure in PARTS[name].figures(bench):
                    print_figure(figure)
                    missed += not figure.is_met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
