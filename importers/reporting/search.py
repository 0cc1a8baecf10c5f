"""Search: the imports that hold what an auditor knows of a face.

A SHA-256, the key of an image and the ID of an importer at Persona are found by index, and so is a
whole file name in quotes. Anything else is part of a file name, and all names are read.
"""

import re
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from importers.models import Batch, Image, Import
from importers.models.imports import NAME_BEGINNING

SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
UUID_FORM = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
QUOTED = re.compile(r'"(.+)"', re.DOTALL)


def narrow(imports: QuerySet[Import], text: str) -> QuerySet[Import]:
    """Keep the imports that hold an image or a batch with the property `text`.

    It must be shorter than 200 characters where it is a whole file name.
    """
    if SHA256.fullmatch(text):
        return _holding(imports, Image.objects.filter(sha256=text.lower()))
    if UUID_FORM.fullmatch(text):
        return _holding(imports, Image.objects.filter(key=UUID(text)))
    if quoted := QUOTED.fullmatch(text):
        # As `text` is shorter than the beginning that the index keeps, that is the whole name.
        named = Image.objects.alias(beginning=NAME_BEGINNING).filter(beginning=quoted[1])
        return _holding(imports, named)
    importers = Batch.objects.exclude(importer_id="").filter(importer_id=text)
    if importers.exists():
        return _holding(imports, importers)
    partly = Image.objects.filter(face_import=OuterRef("pk"), original_name__icontains=text)
    return imports.filter(Exists(partly))


def _holding(imports: QuerySet[Import], rows: QuerySet[Any]) -> QuerySet[Import]:
    return imports.filter(pk__in=rows.values("face_import"))
