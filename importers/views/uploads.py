"""Uploads: files into a draft, several per request from the script, or many from a plain form."""

from typing import NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from importers.access import actors, lookups, rights
from importers.access.rights import needs
from importers.imaging.inspection import MAX_BYTES
from importers.imaging.processes import Busy
from importers.intake import drafts, files
from importers.intake.files import IncomingFile, Received
from importers.intake.upload_handler import all_arrived
from importers.models import Image, Import, Right
from importers.vault.keeping import StorageUnavailable


class Refusal(NamedTuple):
    """Why the files of a request were refused, from one of them on: for the script, for a form."""

    status: int
    code: str
    reason: str  # of each file
    of_form: str = ""
    retry_after: int | None = None  # seconds


INCOMPLETE = Refusal(400, "incomplete", "The upload was incomplete. Nothing was added. Try again.")
NOT_STORED = Refusal(
    507,
    "not_stored",
    "The server could not store this file. Its disk may be full. Try again.",
    "The server could not store every file. Its disk may be full. Accepted files are kept. "
    "Choose the others again.",
)
SEALED = "This import is no longer a draft. Nothing was added."
REFUSALS = {
    Busy: Refusal(503, "busy", "The server is checking other images.", retry_after=1),
    drafts.NotADraft: Refusal(409, "sealed", SEALED, SEALED),
    StorageUnavailable: NOT_STORED,
}
LONGEST_SIZE = 15  # digits


@login_not_required
@require_safe
def signed_in(request: HttpRequest) -> HttpResponse:
    """Answer a proxy that asks before it receives an upload."""
    if not lookups.is_signed_in(request):
        return HttpResponse(status=401)
    return HttpResponse(status=204 if rights.may(request, Right.MAKE_IMPORTS) else 403)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
def upload(request: HttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    if not request.accepts("text/html"):
        return _upload_by_script(request, draft)
    return _upload_by_form(request, draft)


def _upload_by_script(request: HttpRequest, draft: Import) -> JsonResponse:
    """A group: for each file its `name`, `size` in bytes, and `file`, empty if it is too large."""
    try:
        given = _announced(request)
    except ValueError:
        return _answer([], INCOMPLETE if all_arrived(request) else NOT_STORED)
    return _answer(*_receive(request, draft, given, wait=False))


def _announced(request: HttpRequest) -> list[IncomingFile]:
    """Raises ValueError if there is no file, or if one is not as long as announced."""
    names, sizes = request.POST.getlist("name"), request.POST.getlist("size")
    arrived = request.FILES.getlist("file")
    if not names:
        raise ValueError
    return [_incoming(*one) for one in zip(names, sizes, arrived, strict=True)]


def _incoming(name: str, size: str, file: "UploadedFile[bytes]") -> IncomingFile:
    if not size.isdecimal() or len(size) > LONGEST_SIZE:
        raise ValueError
    announced, arrived = int(size), file.size or 0
    is_spared = announced > MAX_BYTES and not arrived
    if arrived != announced and not is_spared:
        raise ValueError
    return IncomingFile(name, announced, file.read)


def _answer(received: list[Received], refusal: Refusal | None) -> JsonResponse:
    """List the outcomes of the files in their order, up to the first that was refused."""
    outcomes = [
        {"state": one.image.state, "code": one.image.reason, "new": one.new} for one in received
    ]
    if refusal is None:
        return JsonResponse({"files": outcomes})
    answer = {"files": outcomes, "code": refusal.code, "reason": refusal.reason}
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
    return JsonResponse(answer, status=refusal.status, headers=headers)


def _upload_by_form(request: HttpRequest, draft: Import) -> HttpResponse:
    """Every file of a plain form; the page that follows says how many were accepted."""
    arrived = request.FILES.getlist("files")
    given = [IncomingFile(file.name or "", file.size or 0, file.read) for file in arrived]
    received: list[Received] = []
    refusal: Refusal | None = NOT_STORED
    if all_arrived(request):
        received, refusal = _receive(request, draft, given, wait=True)
    if refusal:
        messages.error(request, refusal.of_form)
    elif not given:
        messages.error(request, "Choose at least one file.")
    if received:
        accepted = sum(one.image.state == Image.State.ACCEPTED for one in received)
        messages.success(request, f"{accepted} accepted, {len(received) - accepted} rejected.")
    return redirect("import", draft.pk)


def _receive(
    request: HttpRequest, draft: Import, given: list[IncomingFile], *, wait: bool
) -> tuple[list[Received], Refusal | None]:
    """Return what was received before a refusal, if there is one."""
    received: list[Received] = []
    actor = actors.of(request)
    try:
        for group in files.groups(given):
            received += files.receive(draft, group, actor, wait=wait)
    except tuple(REFUSALS) as error:
        return received, REFUSALS[type(error)]
    return received, None
