"""Uploads: files into a draft, one per request from the script, or many from a plain form."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from importers.access import lookups
from importers.imaging.inspection import MAX_BYTES
from importers.imaging.processes import Busy
from importers.intake import drafts, files
from importers.intake.files import IncomingFile
from importers.intake.upload_handler import all_arrived
from importers.models import Image, Import
from importers.vault.keeping import StorageUnavailable

SEALED = "This import is no longer a draft. Nothing was added."
NOT_STORED = (
    "The server could not store the file. Its disk may be full. Nothing was added. Try again."
)
NOT_ALL_STORED = (
    "The server could not store every file. Its disk may be full. Accepted files are kept. "
    "Choose the others again."
)
BUSY = "The server is checking other images. Nothing was added. Try again."
BUSY_SECONDS = 1
INCOMPLETE = "The upload was incomplete. Nothing was added. Try again."


@login_not_required
@require_safe
def signed_in(request: HttpRequest) -> HttpResponse:
    """Answer a proxy that asks before it receives an upload."""
    return HttpResponse(status=204 if lookups.is_signed_in(request) else 401)


@require_POST
def upload(request: HttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    if not request.accepts("text/html"):
        return _upload_one(request, draft)
    return _upload_form(request, draft)


def _upload_one(request: HttpRequest, draft: Import) -> JsonResponse:
    """One file: `name`, `size` in bytes, and `file`, which is not sent if it is too large."""
    name, size = request.POST.get("name", ""), request.POST.get("size", "")
    file = request.FILES.get("file")
    announced = int(size) if size.isdecimal() and len(size) < 16 else 0
    arrived = file.size if file else 0
    if not all_arrived(request):
        return _refusal(507, "not_stored", NOT_STORED)
    if arrived != announced and not (file is None and announced > MAX_BYTES):
        return _refusal(400, "incomplete", INCOMPLETE)
    incoming = IncomingFile(name, announced, file.read if file else bytes)
    try:
        received = files.receive(draft, incoming, lookups.actor(request), wait=False)
    except Busy:
        return _refusal(503, "busy", BUSY, {"Retry-After": str(BUSY_SECONDS)})
    except drafts.NotADraft:
        return _refusal(409, "sealed", SEALED)
    except StorageUnavailable:
        return _refusal(507, "not_stored", NOT_STORED)
    image = received.image
    return JsonResponse({"state": image.state, "code": image.reason, "new": received.new})


def _upload_form(request: HttpRequest, draft: Import) -> HttpResponse:
    """Every file of a plain form; the page that follows says how many were accepted."""
    given = request.FILES.getlist("files")
    if not all_arrived(request):
        messages.error(request, NOT_ALL_STORED)
    elif not given:
        messages.error(request, "Choose at least one file.")
    states = _receive_all(request, draft, given)
    if states:
        accepted = states.count(Image.State.ACCEPTED)
        messages.success(request, f"{accepted} accepted, {len(states) - accepted} rejected.")
    return redirect("import", draft.pk)


def _receive_all(
    request: HttpRequest, draft: Import, given: "list[UploadedFile[bytes]]"
) -> list[str]:
    """Return the state of each file received before an error, which the next page reports."""
    states: list[str] = []
    actor = lookups.actor(request)
    try:
        for file in given:
            incoming = IncomingFile(file.name or "", file.size or 0, file.read)
            states.append(files.receive(draft, incoming, actor).image.state)
    except drafts.NotADraft:
        messages.error(request, SEALED)
    except StorageUnavailable:
        messages.error(request, NOT_ALL_STORED)
    return states


def _refusal(
    status: int, code: str, reason: str, headers: dict[str, str] | None = None
) -> JsonResponse:
    return JsonResponse({"code": code, "reason": reason}, status=status, headers=headers)
