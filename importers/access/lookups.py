"""Who may see or do what: every view gets its row from here, or a 404.

For now, everyone who is signed in may do everything.
"""

from uuid import UUID

from allauth.account.adapter import get_adapter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from importers.audit.actors import Actor
from importers.models import Batch, Image, Import


def actor(request: HttpRequest) -> Actor:
    """Return the person who sent the request, their address and how they signed in."""
    methods = request.session.get("account_authentication_methods", [])
    names = ", ".join(method.get("method", "") for method in methods)
    return Actor.of_user(
        request.user,
        # Behind TRUSTED_PROXY_COUNT proxies; a client cannot forge it.
        address=get_adapter().get_client_ip(request),
        sign_in_method=names or "session",
    )


def is_signed_in(request: HttpRequest) -> bool:
    return request.user.is_authenticated


def imports(request: HttpRequest) -> QuerySet[Import]:
    """Return the imports that this person may see."""
    return Import.objects.all()


def visible_import(request: HttpRequest, import_id: int) -> Import:
    """Return the import, or raise 404 if this person may not see it."""
    rows = imports(request).select_related("face_list", "created_by", "attestation")
    return get_object_or_404(rows, pk=import_id)


def batch_of(face_import: Import, number: int) -> Batch:
    """Return one batch of an import that this person may see, or raise 404."""
    return get_object_or_404(face_import.batches.select_related("face_import"), number=number)


def visible_image(request: HttpRequest, key: UUID) -> Image:
    """Return the accepted image, or raise 404 if this person has no right to see that face."""
    rows = Image.objects.filter(
        state=Image.State.ACCEPTED, destroyed_at=None, face_import__in=imports(request)
    )
    return get_object_or_404(rows, key=key)


def file_of(face_import: Import, key: UUID) -> Image:
    """Return one file, accepted or rejected, of an import that this person may see, or 404."""
    return get_object_or_404(face_import.files.select_related("face_import"), key=key)
