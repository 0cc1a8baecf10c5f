"""Search: the records of a file, by what an auditor knows of it.

A hash, an image's key, a Persona importer, an import's number, a reference and a whole file name
are matched exactly, each by an index. File names are searched for a part only if nothing matches
exactly, or on request, because that reads them all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, Q, QuerySet, TextChoices

from importers.models import Batch, Image, Import, Person
from importers.models.imports import NAME_BEGINNING, NAME_BEGINNING_LENGTH

MOST = 25  # rows of each group: rendering takes longer than finding them
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
# With an extension, it is the file name that Persona shows.
KEY = re.compile(r"([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})(?:\.[A-Za-z]{3,4})?")
IMPORTER = re.compile(r"mprt_[A-Za-z0-9]+")
NUMBER = re.compile(r"(?:import\s*)?([0-9]{1,18})", re.IGNORECASE)


class Kind(TextChoices):
    """What the text of a query looks like."""

    HASH = "hash", "SHA-256"
    IMAGE = "image", "Image key or Persona's file name"
    IMPORTER = "importer", "Persona importer"
    IMPORT = "import", "Import number, reference or file name"
    TEXT = "text", "Reference or file name"
    FILTERS = "filters", "Filters only"


FORMS = {Kind.HASH: SHA256, Kind.IMAGE: KEY, Kind.IMPORTER: IMPORTER, Kind.IMPORT: NUMBER}


@dataclass(frozen=True)
class Query:
    """A text, filters of signed imports, or both."""

    text: str = ""
    lawful_basis: str = ""
    jurisdiction: str = ""
    image_source: str = ""
    signed_by: Person | None = None
    with_parts: bool = False

    @property
    def kind(self) -> Kind:
        if not self.text:
            return Kind.FILTERS
        fitting = (kind for kind, form in FORMS.items() if form.fullmatch(self.text))
        return next(fitting, Kind.TEXT)

    @property
    def may_be_a_name(self) -> bool:
        return self.kind in (Kind.IMPORT, Kind.TEXT)

    @property
    def filters(self) -> dict[str, str]:
        """The filters in use, by the field of the attestation."""
        chosen = {
            "lawful_basis": self.lawful_basis,
            "jurisdictions": self.jurisdiction,
            "image_source": self.image_source,
            "signed_by": str(self.signed_by.pk) if self.signed_by else "",
        }
        return {name: value for name, value in chosen.items() if value}


class Found[Row: Model](NamedTuple):
    row: Row
    matched: list[str]


@dataclass(frozen=True)
class Group[Row: Model]:
    """The newest rows found, each with the labels of what matched."""

    found: list[Found[Row]] = field(default_factory=list)
    has_more: bool = False


@dataclass(frozen=True)
class Answer:
    query: Query
    images: Group[Image] = Group()
    importers: Group[Batch] = Group()
    imports: Group[Import] = Group()
    parts_searched: bool = False

    @property
    def hits(self) -> int:
        return sum(len(group.found) for group in (self.images, self.importers, self.imports))


def search(imports: QuerySet[Import], query: Query) -> Answer:
    """Return what matches among these imports, their images and their batches."""
    imports = _filtered(imports, query)
    shown = imports.select_related("face_list").prefetch_related("attestations")
    if not query.text:
        return Answer(query, imports=_newest(shown, {"Filters": imports.order_by("-pk")}))
    images = Image.objects.filter(Exists(imports.filter(pk=OuterRef("face_import"))))
    claimed = _batches_of(query.text)
    exact = _images(images, query.text, claimed)
    answer = Answer(
        query,
        _newest(images.select_related("face_import__face_list", "batch"), exact),
        _importers(imports, claimed),
        _newest(shown, _imports(imports, images, query.text)),
    )
    if query.with_parts or (query.may_be_a_name and not answer.hits):
        return _with_parts(answer, images, exact)
    return answer


def _filtered(imports: QuerySet[Import], query: Query) -> QuerySet[Import]:
    wanted = query.filters
    if place := wanted.pop("jurisdictions", ""):
        # A list in JSON. With its quotes, no code is a part of another.
        wanted["jurisdictions__icontains"] = f'"{place}"'
    return _signed(imports, **wanted) if wanted else imports


def _signed(imports: QuerySet[Import], **wanted: str) -> QuerySet[Import]:
    """Return those whose attestation in force has these values."""
    conditions = {f"attestations__{name}": value for name, value in wanted.items()}
    # In one call, so that all hold for the same attestation.
    return imports.filter(attestations__voided_at=None, **conditions)


def _batches_of(importer_id: str) -> list[int]:
    """Return the batches that may have this importer: several if their answers were lost."""
    claimed = Batch.objects.exclude(importer_id="").order_by()
    groups = claimed.filter(importer_id=importer_id).values_list("importer_among", flat=True)
    if (group := groups.first()) is None:
        return []
    importers = {importer_id, *group}
    return [*claimed.filter(importer_id__in=importers).values_list("pk", flat=True)]


def _images(images: QuerySet[Image], text: str, batches: list[int]) -> dict[str, QuerySet[Image]]:
    images = images.order_by("-face_import_id", "-pk")  # as in the indexes
    matches = {
        "Subject reference": images.exclude(subject_reference="").filter(subject_reference=text),
        "Case reference": _of_case(images, text),
        "File name": _named(images, text),
    }
    if SHA256.fullmatch(text):
        matches["SHA-256"] = images.filter(sha256=text.lower())
    if key := KEY.fullmatch(text):
        matches["Image key"] = images.filter(key=UUID(key[1]))
    if batches:
        matches["Persona importer"] = images.filter(batch__in=batches)
    return matches


def _named(images: QuerySet[Image], name: str) -> QuerySet[Image]:
    named = images.alias(beginning=NAME_BEGINNING).filter(beginning=name[:NAME_BEGINNING_LENGTH])
    # As a plain condition, this would make SQLite read every row instead of the index.
    return named.exclude(~Q(original_name=name))


def _of_case(images: QuerySet[Image], text: str) -> QuerySet[Image]:
    return images.exclude(case_reference="").filter(case_reference=text)


def _importers(imports: QuerySet[Import], batches: list[int]) -> Group[Batch]:
    rows = Batch.objects.filter(pk__in=batches, face_import__in=imports)
    shown = rows.select_related("face_import__face_list")
    return _newest(shown, {"Persona importer": rows.order_by("-pk")})


def _imports(
    imports: QuerySet[Import], images: QuerySet[Image], text: str
) -> dict[str, QuerySet[Import]]:
    # Limited here too, since PostgreSQL would otherwise expect the case among the newest imports.
    holding = _of_case(images, text).order_by("-face_import_id").values("face_import_id").distinct()
    matches = {
        "Evidence location": _signed(imports, evidence_reference=text),
        "Case reference": imports.filter(pk__in=holding[: MOST + 1]),
    }
    if number := NUMBER.fullmatch(text):
        matches["Import number"] = imports.filter(pk=int(number[1]))
    return {name: found.order_by("-pk") for name, found in matches.items()}


def _with_parts(
    answer: Answer, images: QuerySet[Image], exact: dict[str, QuerySet[Image]]
) -> Answer:
    # By its key alone, so that a frequent part ends the walk early.
    parts = images.filter(original_name__icontains=answer.query.text).order_by("-pk")
    shown = images.select_related("face_import__face_list", "batch")
    found = _newest(shown, exact | {"Part of the file name": parts})
    return replace(answer, images=found, parts_searched=True)


def _newest[Row: Model](shown: QuerySet[Row], matches: Mapping[str, QuerySet[Row]]) -> Group[Row]:
    """Return the newest rows that match. Each match comes in the order of its index."""
    matched: dict[Any, list[str]] = {}
    for label, rows in matches.items():
        # The keys first: with whole rows, SQLite would sort them all.
        for key in rows.values_list("pk", flat=True)[: MOST + 1]:
            matched.setdefault(key, []).append(label)
    newest = sorted(matched, reverse=True)[:MOST]
    by_key = shown.in_bulk(newest)  # without what was removed from a draft meanwhile
    found = [Found(by_key[key], matched[key]) for key in newest if key in by_key]
    return Group(found, len(matched) > MOST)
