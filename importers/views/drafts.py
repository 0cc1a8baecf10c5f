"""A draft: its files, its list, and discarding it."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from importers.access import lookups
from importers.consent import statements
from importers.forms.consent import AttestationForm
from importers.forms.lists import FaceListForm
from importers.forwarding.submission import preview
from importers.imaging.inspection import MAX_BYTES
from importers.intake import drafts, files
from importers.models import Image, Import
from importers.vault import viewing
from importers.views.htmx import HtmxHttpRequest

GALLERY_PAGE_SIZE, REJECTED_PAGE_SIZE = 48, 20
Fragment = Callable[[HtmxHttpRequest, Import], HttpResponse]


def draft_page(
    request: HtmxHttpRequest,
    draft: Import,
    form: AttestationForm | None = None,
    refusal: str = "",
) -> HttpResponse:
    context = {
        "import": draft,
        "form": form or AttestationForm(),
        "list_form": FaceListForm(initial={"face_list": draft.face_list_id}),
        "statement": statements.in_force(),
        "limits": {
            "file_bytes": MAX_BYTES,
            "group_files": files.GROUP_FILES,
            "group_bytes": files.GROUP_BYTES,
        },
        "refusal": refusal,
        **shelf(request, draft),
    }
    return render(request, "imports/draft.html", context, status=422 if form or refusal else 200)


def shelf(request: HtmxHttpRequest, face_import: Import) -> dict[str, Any]:
    """Return what the import holds, a page of each kind of file."""
    accepted = face_import.files.filter(state=Image.State.ACCEPTED)
    rejected = face_import.files.filter(state=Image.State.LEFT_OUT)
    gallery = Paginator(accepted, GALLERY_PAGE_SIZE).get_page(request.GET.get("page"))
    viewing.show_gallery(face_import, gallery, lookups.actor(request))
    return {
        "gallery": gallery,
        "rejected": Paginator(rejected, REJECTED_PAGE_SIZE).get_page(request.GET.get("rejected")),
        "preview": preview(face_import) if face_import.is_draft else None,
    }


@require_safe
def contents(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    return _contents(request, lookups.visible_import(request, import_id))


@require_POST
def remove(request: HtmxHttpRequest, import_id: int, key: UUID) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    image = lookups.file_of(draft, key)
    return _change(request, draft, lambda: files.remove(image, lookups.actor(request)))


@require_POST
def clear_rejected(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    return _change(request, draft, lambda: files.clear_rejected(draft, lookups.actor(request)))


@require_POST
def change_list(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    form = FaceListForm(request.POST)
    if not form.is_valid():
        return _refuse(request, draft, "The list was not changed. Choose one of the lists.")
    chosen = form.cleaned_data["face_list"]
    change = partial(drafts.change_list, draft, chosen, lookups.actor(request))
    return _change(request, draft, change, _list)


@require_POST
def discard(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    return _change(request, draft, lambda: drafts.discard(draft, lookups.actor(request)))


def _contents(request: HtmxHttpRequest, face_import: Import) -> HttpResponse:
    context = {"import": face_import, **shelf(request, face_import)}
    return render(request, "imports/_contents.html", context)


def _list(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    draft.refresh_from_db()
    form = FaceListForm(initial={"face_list": draft.face_list_id})
    return render(request, "imports/_list.html", {"import": draft, "list_form": form})


def _change(
    request: HtmxHttpRequest,
    draft: Import,
    change: Callable[[], object],
    fragment: Fragment = _contents,
) -> HttpResponse:
    """Change a draft. Answer htmx with the fragment that shows it, a plain form with the page."""
    try:
        change()
    except drafts.NotADraft:
        return _refuse(request, draft, "This import is no longer a draft. Nothing was changed.")
    return fragment(request, draft) if request.htmx else redirect("import", draft.pk)


def _refuse(request: HtmxHttpRequest, draft: Import, sentence: str) -> HttpResponse:
    """Show the whole page again, with what was refused: a fragment would not show it."""
    messages.error(request, sentence)
    return HttpResponseClientRefresh() if request.htmx else redirect("import", draft.pk)
