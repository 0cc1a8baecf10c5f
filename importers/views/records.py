"""The records of an import and of an image, to read, to print and to download."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from importers.access import actors, lookups, rights
from importers.access.recent import needs_recent
from importers.access.rights import needs
from importers.audit import trail
from importers.audit.actions import Action
from importers.consent import manifest
from importers.models import Attestation, Entry, Image, Import, Right
from importers.reporting import acts, exports, outcomes, record
from importers.vault import viewing

PAGE_SIZE, PRINTED_PAGE_SIZE = 200, 5_000


@needs(Right.SEE_IMPORTS)
@require_safe
def of_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Show the record of a signed import. With `?all=yes`, up to 5,000 images are on one page."""
    attestation = lookups.visible_record(request, import_id)
    face_import = attestation.face_import
    trail.append_once(actors.of(request), Action.RECORD_VIEWED, face_import)
    is_whole = request.GET.get("all") == "yes"
    size = PRINTED_PAGE_SIZE if is_whole else PAGE_SIZE
    images = Paginator(record.images(face_import), size).get_page(request.GET.get("page"))
    # Where each image has a batch of its own, the images say it all.
    in_bulk = face_import.mode == Import.Mode.BULK
    batches = list(face_import.batches.order_by("number")) if in_bulk else []
    context = {
        "import": face_import,
        "attestation": attestation,
        "broken_seal": record.broken_seal(attestation),
        "decisions": record.decisions(attestation),
        "answers": record.facts(attestation),
        "entries": record.entries(face_import, Entry()),
        "acts": acts.of_import(face_import),
        "batches": [(batch, outcomes.of_batch(batch)) for batch in batches[:size]],
        "batch_count": len(batches),
        "images": images,
        "rows": [(image, outcomes.of(image)) for image in images],
        "is_whole": is_whole,
    }
    return render(request, "records/import.html", context)


@needs(Right.SEE_IMPORTS)
@require_safe
def of_image(request: HttpRequest, key: UUID) -> HttpResponse:
    image, actor = lookups.visible_file(request, key), actors.of(request)
    trail.append_once(actor, Action.RECORD_VIEWED, image)
    has_a_face = image.state == Image.State.ACCEPTED and image.destroyed_at is None
    if has_a_face and rights.may(request, Right.SEE_FACES):
        viewing.record(image, actor)  # first, so that the views below include this one
    context: dict[str, Any] = {
        "image": image,
        "import": image.face_import,
        "attestation": image.face_import.attestation,
        "outcome": outcomes.of(image),
        "upload": acts.upload_of(image),
        "views": acts.views_of(image),
    }
    return render(request, "records/image.html", context)


@needs(Right.SEE_IMPORTS, Right.EXPORT)
@require_safe
@needs_recent
def attestation_json(request: HttpRequest, import_id: int) -> HttpResponse:
    attestation = lookups.visible_record(request, import_id)
    content = exports.attestation_json(attestation)
    headers = _recorded(request, attestation, "attestation.json")
    return HttpResponse(content, content_type="application/json", headers=headers)


@needs(Right.SEE_IMPORTS, Right.EXPORT)
@require_safe
def manifest_file(request: HttpRequest, import_id: int) -> HttpResponse:
    attestation = lookups.visible_record(request, import_id)
    try:
        content = exports.manifest_file(attestation)
    except manifest.UnknownVersion as error:
        raise Http404("A newer release wrote this manifest.") from error
    headers = _recorded(request, attestation, "manifest.txt")
    return HttpResponse(content, content_type="text/plain; charset=utf-8", headers=headers)


@needs(Right.SEE_IMPORTS, Right.EXPORT)
@require_safe
@needs_recent
def images_csv(request: HttpRequest, import_id: int) -> HttpResponseBase:
    attestation = lookups.visible_record(request, import_id)
    headers = _recorded(request, attestation, "images.csv")
    lines = exports.images_csv(attestation)
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _recorded(request: HttpRequest, attestation: Attestation, file: str) -> dict[str, str]:
    """Record the download before its first byte leaves, and return its headers."""
    actor, face_import = actors.of(request), attestation.face_import
    trail.append(actor, Action.RECORD_EXPORTED, face_import, file=file)
    name = f"import-{face_import.pk}-{file}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}
