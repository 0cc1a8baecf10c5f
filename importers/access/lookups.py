"""Rows for the views: each view gets its row from here, or a 404.

Whoever has the rights that a view needs (`access.rights`) sees every row of its kind.
"""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from importers.access import people
from importers.models import Attestation, Batch, FaceList, Image, Import, Person
from importers.models.consent import LawfulBasis

HAS_A_FACE = {"state": Image.State.ACCEPTED, "destroyed_at": None}


def is_signed_in(request: HttpRequest) -> bool:
    return request.user.is_authenticated


def imports(request: HttpRequest) -> QuerySet[Import]:
    """Return the imports that this person may see."""
    return Import.objects.all()


def visible_import(request: HttpRequest, import_id: int) -> Import:
    """Return the import, or raise 404 if this person may not see it."""
    rows = imports(request).select_related("face_list", "created_by", "handed_to")
    return get_object_or_404(rows, pk=import_id)


def visible_record(request: HttpRequest, import_id: int) -> Attestation:
    """Return the attestation in force, or raise 404 if there is none or it is not theirs to see."""
    rows = Attestation.objects.filter(face_import__in=imports(request), voided_at=None)
    rows = rows.select_related("face_import__face_list", "face_import__created_by")
    return get_object_or_404(rows, face_import=import_id)


def last_attestation(request: HttpRequest) -> Attestation | None:
    """Return what this person signed last, of the imports that they may see."""
    own = Attestation.objects.filter(face_import__in=imports(request), signed_by=request.user.pk)
    return own.order_by("-signed_at").first()


def batch_of(face_import: Import, number: int) -> Batch:
    """Return one batch of an import that this person may see, or raise 404."""
    return get_object_or_404(face_import.batches.select_related("face_import"), number=number)


def visible_image(request: HttpRequest, key: UUID) -> Image:
    """Return the accepted image, or raise 404 if this person has no right to see that face."""
    rows = Image.objects.filter(**HAS_A_FACE, face_import__in=imports(request))
    return get_object_or_404(rows, key=key)


def faces_of(face_import: Import, keys: list[str]) -> QuerySet[Image]:
    """Return the accepted images with these keys, of an import that this person may see.

    Raises 404 if one is not a key. A key that belongs to no such image is left out.
    """
    return files_of(face_import, keys).filter(**HAS_A_FACE)


def files_of(face_import: Import, keys: list[str]) -> QuerySet[Image]:
    """Return the files with these keys, of an import that this person may see; 404 if one is none.

    A key that no file of the import has is left out: another tab may have removed it.
    """
    try:
        return face_import.files.filter(key__in=[UUID(key) for key in keys])
    except ValueError as error:
        raise Http404("This is not the key of an image.") from error


def account(person_id: int) -> Person:
    """Return the account, or raise 404."""
    return get_object_or_404(people.accounts(), pk=person_id)


def face_list(list_id: int) -> FaceList:
    return get_object_or_404(FaceList, pk=list_id)


def lawful_basis(code: str) -> LawfulBasis:
    """Return the basis, or raise 404 if there is none with this code."""
    if code not in LawfulBasis:
        raise Http404
    return LawfulBasis(code)


def visible_file(request: HttpRequest, key: UUID) -> Image:
    """Return the file, accepted or rejected, destroyed or not, or raise 404 if it is not theirs."""
    rows = Image.objects.filter(face_import__in=imports(request))
    rows = rows.select_related("batch", "face_import__face_list", "face_import__created_by")
    rows = rows.prefetch_related("face_import__attestations")
    return get_object_or_404(rows, key=key)
