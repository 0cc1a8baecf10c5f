"""A draft: files arrive, are looked over and removed, and at the end are attested and sent."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from importers import access, consent, images, intake, uploads
from importers.forms import AttestationForm, FaceListForm, ShownForm
from importers.forwarding import cut
from importers.models import Image, Import

GALLERY_PAGE_SIZE, LEFT_OUT_PAGE_SIZE = 48, 20
SEALED = "This import is no longer a draft: its images can't change. Nothing was added."
NOT_STORED = (
    "The server could not store the file (is its disk full?). Nothing was added: try again."
)
NOT_ALL_STORED = (
    "The server could not store every file (is its disk full?). What was accepted is kept: "
    "choose the others again."
)
CHANGED = (
    "The images, the list or the statement changed after this page was shown, perhaps in another "
    "tab. Nothing was sent. Look at what is here now, then sign again."
)
INCOMPLETE = "The file did not arrive whole. Nothing was added: try again."


def draft_page(
    request: HttpRequest, draft: Import, form: AttestationForm | None = None, refusal: str = ""
) -> HttpResponse:
    context = {
        "import": draft,
        "form": form or AttestationForm(),
        "list_form": FaceListForm(initial={"face_list": draft.face_list_id}),
        "statement": consent.statement(),
        "most_bytes": images.MOST_BYTES,
        "refusal": refusal,
        **shelf(request, draft),
    }
    return render(request, "imports/draft.html", context, status=422 if form or refusal else 200)


@require_safe
def contents(request: HttpRequest, import_id: int) -> HttpResponse:
    """The fragment that shows what the import holds by now."""
    return _contents(request, access.visible_import(request, import_id))


@require_POST
def upload(request: HttpRequest, import_id: int) -> HttpResponse:
    """One file of the page's script is answered in JSON, those of a plain form by the page."""
    draft = access.visible_import(request, import_id)
    if not request.accepts("text/html"):
        return _upload_one(request, draft)
    return _upload_form(request, draft)


@require_POST
def remove(request: HttpRequest, import_id: int, key: UUID) -> HttpResponse:
    draft = access.visible_import(request, import_id)
    image = access.file_of(draft, key)
    return _change(request, draft, lambda: intake.remove(image, access.actor(request)))


@require_POST
def remove_left_out(request: HttpRequest, import_id: int) -> HttpResponse:
    draft = access.visible_import(request, import_id)
    return _change(request, draft, lambda: intake.remove_left_out(draft, access.actor(request)))


@require_POST
def change_list(request: HttpRequest, import_id: int) -> HttpResponse:
    draft = access.visible_import(request, import_id)
    form = FaceListForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the lists.")
        return redirect("import", import_id)
    chosen = form.cleaned_data["face_list"]
    answer = _change(
        request, draft, lambda: intake.change_list(draft, chosen, access.actor(request))
    )
    if request.htmx and request.htmx.target == "list" and "HX-Refresh" not in answer:  # type: ignore[attr-defined]
        draft.refresh_from_db()
        return render(request, "imports/_list.html", {"import": draft, "list_form": form})
    return answer


@require_POST
def discard(request: HttpRequest, import_id: int) -> HttpResponse:
    draft = access.visible_import(request, import_id)
    return _change(request, draft, lambda: intake.discard(draft, access.actor(request)))


@require_POST
def attest(request: HttpRequest, import_id: int) -> HttpResponse:
    draft = access.visible_import(request, import_id)
    form, shown = AttestationForm(request.POST), ShownForm(request.POST).shown()
    if not draft.is_draft:
        return _too_late(request, draft)
    if not form.is_valid():
        return draft_page(request, draft, form)
    try:
        if shown is None:
            raise consent.DraftChanged
        cut.submit(draft, form.answers(), access.actor(request), shown)
    except consent.NothingToSend:
        return draft_page(request, draft, form, "There is no accepted image to send yet.")
    except consent.DraftChanged:
        answers = request.POST.copy()
        for signature in ("attested", "typed_name"):  # given for something else
            answers.pop(signature, None)
        form.data = answers
        return draft_page(request, draft, form, CHANGED)
    except consent.AlreadySealed:
        draft.refresh_from_db()
        return _too_late(request, draft)
    return redirect("import", import_id)


def shelf(request: HttpRequest, face_import: Import) -> dict[str, Any]:
    """What the import holds, a page of each kind of file."""
    accepted = face_import.files.filter(state=Image.State.ACCEPTED)
    left_out = face_import.files.filter(state=Image.State.LEFT_OUT)
    return {
        "gallery": Paginator(accepted, GALLERY_PAGE_SIZE).get_page(request.GET.get("page")),
        "left_out": Paginator(left_out, LEFT_OUT_PAGE_SIZE).get_page(request.GET.get("left")),
        "preview": cut.preview(face_import) if face_import.is_draft else None,
    }


def _upload_one(request: HttpRequest, draft: Import) -> JsonResponse:
    """One file: `name`, `size` in bytes, and `file`, which is not sent where it is too large."""
    name, size = request.POST.get("name", ""), request.POST.get("size", "")
    file = request.FILES.get("file")
    announced = int(size) if size.isdecimal() and len(size) < 16 else 0
    arrived = file.size if file else 0
    if not uploads.all_arrived(request):
        return _refusal(507, "not_stored", NOT_STORED)
    if arrived != announced and not (file is None and announced > images.MOST_BYTES):
        return _refusal(400, "incomplete", INCOMPLETE)
    try:
        taken = intake.take(draft, name, _bytes(file), announced, access.actor(request))
    except intake.NotADraft:
        return _refusal(409, "sealed", SEALED)
    except intake.StorageTrouble:
        return _refusal(507, "not_stored", NOT_STORED)
    image = taken.image
    return JsonResponse({"state": image.state, "code": image.reason, "new": taken.new})


def _upload_form(request: HttpRequest, draft: Import) -> HttpResponse:
    """Every file of a plain form; what became of them is told on the page that follows."""
    states: list[str] = []
    files = request.FILES.getlist("files")
    if not uploads.all_arrived(request):
        messages.error(request, NOT_ALL_STORED)
    elif not files:
        messages.error(request, "No file was chosen.")
    try:
        for file in files:
            actor = access.actor(request)
            taken = intake.take(draft, file.name or "", _bytes(file), file.size or 0, actor)
            states.append(taken.image.state)
    except intake.NotADraft:
        messages.error(request, SEALED)
    except intake.StorageTrouble:
        messages.error(request, NOT_ALL_STORED)
    accepted = states.count(Image.State.ACCEPTED)
    if states:
        messages.success(request, f"{accepted} accepted, {len(states) - accepted} left out.")
    return redirect("import", draft.pk)


def _too_late(request: HttpRequest, sealed: Import) -> HttpResponse:
    """Someone signs what is no draft any more: the page of what became of it says so."""
    became = "discarded" if sealed.state == Import.State.CANCELED else "signed and sent"
    messages.info(request, f"This import was already {became}.")
    return redirect("import", sealed.pk)


def _bytes(file: "UploadedFile[bytes] | None") -> bytes:
    """The whole file, or nothing of one that is too large to be taken."""
    return file.read() if file and (file.size or 0) <= images.MOST_BYTES else b""


def _refusal(status: int, code: str, reason: str) -> JsonResponse:
    return JsonResponse({"code": code, "reason": reason}, status=status)


def _change(request: HttpRequest, draft: Import, change: Callable[[], object]) -> HttpResponse:
    """Makes a change to a draft; the page's script gets the new contents, a form the page."""
    try:
        change()
    except intake.NotADraft:
        messages.error(request, "This import is no longer a draft: nothing was changed.")
        return HttpResponseClientRefresh() if request.htmx else redirect("import", draft.pk)  # type: ignore[attr-defined]
    if request.htmx and request.htmx.target == "contents":  # type: ignore[attr-defined]
        return _contents(request, draft)
    return redirect("import", draft.pk)


def _contents(request: HttpRequest, face_import: Import) -> HttpResponse:
    context = {"import": face_import, **shelf(request, face_import)}
    return render(request, "imports/_contents.html", context)
