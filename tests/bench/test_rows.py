"""The benchmark's history is one that the product could have written."""

from pathlib import Path

from tests.bench.rows import write_history
from tests.support.people import PASSWORD
from tests.support.product import product
from tests.support.site import NO_PERSONA

COUNT = """
from importers.models import Attestation, Image, Import, counters

print(Import.objects.count(), Image.objects.count(), Attestation.objects.count())
print(len(list(counters.recount())))
"""


def test_history_has_all_its_rows_and_true_counts(tmp_path: Path) -> None:
    with product(tmp_path, NO_PERSONA, PASSWORD) as installed:
        write_history(installed, 3)
        assert installed.shell(COUNT).split() == ["3", "150", "3", "0"]
