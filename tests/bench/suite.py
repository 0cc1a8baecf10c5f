"""The tests themselves, whose duration every change pays."""

import subprocess
import time
from collections.abc import Iterator

from tests.bench.figures import Bench, Figure
from tests.support.product import BASE_DIR


def figures(bench: Bench) -> Iterator[Figure]:
    if bench.is_full and not bench.server:  # they run on both databases at once
        began = time.perf_counter()
        subprocess.run(["/bin/sh", ".ci/test"], cwd=BASE_DIR, stdout=subprocess.DEVNULL, check=True)
        minutes = (time.perf_counter() - began) / 60
        yield Figure("P11 make test", "≤ 6 min", "-", f"{minutes:.1f} min", minutes <= 6)
