"""Who may see or do what. Every question of right is asked here, and nowhere else.

For now each person who is signed in may do everything; roles and rights per list come here.
"""

from uuid import UUID

from allauth.account.adapter import get_adapter
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from importers.audit import Actor
from importers.models import Batch, Image, Import
from importers.models.imports import ImportQuerySet


def actor(request: HttpRequest) -> Actor:
    """The person who asks, the address they ask from, and how they signed in."""
    methods = request.session.get("account_authentication_methods", [])
    names = ", ".join(method.get("method", "") for method in methods)
    return Actor.of_user(
        request.user,
        address=get_adapter().get_client_ip(request),
        sign_in_method=names or "session",
    )


def imports(request: HttpRequest) -> ImportQuerySet:
    """The imports that this person may see."""
    return Import.objects.all()


def visible_import(request: HttpRequest, import_id: int) -> Import:
    """The import, or 404 where it is not there for this person."""
    rows = imports(request).select_related("face_list", "created_by", "attestation")
    return get_object_or_404(rows, pk=import_id)


def batch_of(face_import: Import, number: int) -> Batch:
    """One batch of an import that this person may see; else 404."""
    return get_object_or_404(face_import.batches.select_related("face_import"), number=number)


def visible_image(request: HttpRequest, key: UUID) -> Image:
    """The accepted image, or 404 where this person has no right to see that face."""
    rows = Image.objects.filter(state=Image.State.ACCEPTED, destroyed_at=None)
    return get_object_or_404(rows.select_related("face_import"), key=key)


def file_of(face_import: Import, key: UUID) -> Image:
    """One file, accepted or left out, of an import that this person may see; else 404."""
    return get_object_or_404(face_import.files.select_related("face_import"), key=key)
