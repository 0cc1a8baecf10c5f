"""The worker's own queries while many batches wait, or a long history has ended."""

import json
from collections.abc import Iterator
from statistics import median
from typing import Any

from tests.bench.figures import Bench, Figure, at_most, p95
from tests.bench.rows import write_history
from tests.support.product import Product

DUE, CLAIMS = 1_000, 100
TURNS = """
import json
from importers.forwarding import estimate
from importers.forwarding.claims import Leases
from importers.gateway import rate_limit
from importers.forwarding.sending import send_next
from importers.models import Image, Import
from importers.worker import jobs
from tests.bench.figures import milliseconds

leases, budget = Leases("bench"), rate_limit.budget("local")
latest = Import.objects.latest("pk")
batches = list(latest.batches.all())
destroyed = Image.objects.filter(destroyed_at__gt=latest.created_at).order_by()
print(json.dumps({
    "sender": milliseconds(lambda: send_next(leases), 100),
    "watcher": milliseconds(jobs.follow, 100),
    "estimate": milliseconds(lambda: estimate.time_left("local", batches, budget), 100),
    "plan": destroyed.explain(),
}))
"""
CLAIM = f"""
import json
from importers.forwarding.claims import claim
from tests.bench.figures import milliseconds

print(json.dumps(milliseconds(lambda: claim("bench"), {CLAIMS})))
"""
MAKE_DUE = """
UPDATE importers_batch SET state = 'queued', importer_id = '', accepted_at = NULL,
    finished_at = NULL WHERE id > (SELECT max(id) FROM importers_batch) - {}
"""


def figures(bench: Bench) -> Iterator[Figure]:
    with bench.installed() as few, bench.installed() as many:
        write_history(few, CLAIMS)
        write_history(many, max(bench.imports, 15_000))
        base, ours = measured(few, TURNS), measured(many, TURNS)
        for thread in ("sender", "watcher"):
            turn = median(ours[thread]), median(base[thread])
            yield at_most(f"P14 idle {thread} with 30,000 batches, a turn", 1, *turn)
        left = median(ours["estimate"]), median(base["estimate"])
        yield at_most("P15 time left, 30,000 batches", round(1.5 * left[1], 1), *left)
        is_indexed = "image_destroyed" in ours["plan"]
        found = "by index" if is_indexed else "by a scan"
        yield Figure("P10 sweep finds destroyed images", "by index", "-", found, is_indexed)
        for installed, due in ((few, CLAIMS + 1), (many, DUE)):
            installed.execute(MAKE_DUE.format(due))
        claims = p95(measured(many, CLAIM)), p95(measured(few, CLAIM))
        yield at_most("P9 claim with 1,000 batches due, p95", 5, *claims)


def measured(installed: Product, script: str) -> Any:
    return json.loads(installed.shell(script))
