"""docs/consent-record.md explains every field of the record."""

from pathlib import Path

import pytest
from django.conf import settings

from importers.consent import seal
from importers.reporting import exports

DOCUMENT = Path(settings.BASE_DIR, "docs", "consent-record.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "field",
    sorted({*seal.FIELDS[seal.VERSION], *exports.BATCH_FIELDS, *exports.IMAGE_COLUMNS}),
)
def test_document_names_every_field(field: str) -> None:
    assert f"`{field}`" in DOCUMENT
