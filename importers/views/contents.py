"""What a draft holds, a page at a time, and what a person does with its images."""

from collections.abc import Callable
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from importers.access import lookups
from importers.forms.entries import EntryForm, IncludeForm, count_personal
from importers.forwarding.submission import preview
from importers.intake import aside, drafts, entries, files, known
from importers.models import Image, Import
from importers.vault import viewing
from importers.views.htmx import HtmxHttpRequest, refuse

GALLERY_PAGE_SIZE, REJECTED_PAGE_SIZE, ASIDE_SHOWN = 48, 20, 24
LONGEST_FILTER = 200


def shelf(request: HtmxHttpRequest, draft: Import) -> dict[str, Any]:
    """Return what the draft holds, a page of each kind of file."""
    accepted = _filtered(request, draft).order_by("sort_name", "pk")
    left_out = draft.files.filter(state=Image.State.LEFT_OUT)
    rejected = left_out.exclude(reason__in=Image.ASIDE)
    page = request.GET.get("page") or request.POST.get("page")
    gallery = Paginator(accepted, GALLERY_PAGE_SIZE).get_page(page)
    viewing.show_gallery(draft, gallery, lookups.actor(request))
    return {
        "gallery": gallery,
        "filter": request.POST.get("q", ""),
        "rejected": Paginator(rejected.order_by("reason", "pk"), REJECTED_PAGE_SIZE).get_page(
            request.GET.get("rejected")
        ),
        **_workspace(draft),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def contents(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    """Show a page; a POST filters it by a part of a name, which stays out of addresses."""
    draft = lookups.visible_import(request, import_id)
    if not draft.is_draft:  # signed or discarded meanwhile: the page is another one now
        return HttpResponseClientRefresh() if request.htmx else redirect("import", import_id)
    return changed_contents(request, draft)


@require_POST
def remove(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    chosen = _chosen(request, draft)
    keys = list(chosen.filter(state=Image.State.ACCEPTED).values_list("key", flat=True))
    removed = {"removed_now": ",".join(map(str, keys)), "count": len(keys)}
    return _change(
        request, draft, lambda: aside.remove(draft, chosen, lookups.actor(request)), removed
    )


@require_POST
def restore(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    chosen = _chosen(request, draft)
    return _change(request, draft, lambda: aside.restore(draft, chosen, lookups.actor(request)))


@require_POST
def include(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    """Send images again that the list has already."""
    draft = lookups.visible_import(request, import_id)
    form = IncludeForm(request.POST)
    if not form.is_valid():
        return changed_contents(request, draft, {"include_form": form})
    because, actor = form.cleaned_data["because"], lookups.actor(request)
    chosen = _chosen(request, draft)
    if not chosen:
        return changed_contents(request, draft, {"include_form": form, "nothing_chosen": True})
    return _change(request, draft, lambda: aside.include(draft, chosen, because, actor))


@require_POST
def describe(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    """Set the entry of the selected images."""
    draft = lookups.visible_import(request, import_id)
    form = EntryForm(request.POST, prefix="own")
    chosen = _chosen(request, draft)
    if not form.is_valid() or not chosen:
        return changed_contents(request, draft, {"own_entry": form, "nothing_chosen": not chosen})
    entry, actor = form.entry(), lookups.actor(request)
    described = {"described": chosen.count()}
    return _change(request, draft, lambda: entries.describe(draft, chosen, entry, actor), described)


@require_POST
def clear_rejected(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    return _change(request, draft, lambda: files.clear_rejected(draft, lookups.actor(request)))


def _workspace(draft: Import) -> dict[str, Any]:
    removed = draft.files.filter(reason=Image.REMOVED).order_by("sort_name", "pk")
    sent_before = draft.files.filter(reason=Image.ALREADY_SENT).order_by("sort_name", "pk")
    return {
        "preview": preview(draft),
        "removed": removed[:ASIDE_SHOWN],
        "removed_count": removed.count(),
        "sent_before": known.with_import(draft, sent_before[:ASIDE_SHOWN]),
        "sent_before_count": sent_before.count(),
        "include_form": IncludeForm(),
        "own_entry": EntryForm(prefix="own"),
        "matching": entries.matching(draft),
        "personal_count": count_personal(entries.subject_references(draft)),
    }


def _filtered(request: HtmxHttpRequest, draft: Import) -> QuerySet[Image]:
    accepted = draft.files.filter(state=Image.State.ACCEPTED)
    part = request.POST.get("q", "")[:LONGEST_FILTER].replace("\x00", "")
    return accepted.filter(original_name__icontains=part) if part else accepted


def _chosen(request: HtmxHttpRequest, draft: Import) -> QuerySet[Image]:
    """Return the images that a form names: `only` some, all of the filter, or the selected."""
    if only := request.POST.get("only"):
        return lookups.files_of(draft, only.split(","))
    if (aside_as := request.POST.get("set")) in Image.ASIDE:
        return draft.files.filter(reason=aside_as)
    if "all" in request.POST:
        return _filtered(request, draft)
    return lookups.files_of(draft, request.POST.getlist("image"))


def _change(
    request: HtmxHttpRequest,
    draft: Import,
    change: Callable[[], int],
    context: dict[str, Any] | None = None,
) -> HttpResponse:
    """Change a draft. Answer htmx with the fragment that shows it, a plain form with the page."""
    try:
        change()
    except drafts.NotADraft:
        return refuse(request, draft)
    if not request.htmx:
        return redirect("import", draft.pk)
    draft.refresh_from_db()
    return changed_contents(request, draft, context)


def changed_contents(
    request: HtmxHttpRequest, draft: Import, more: dict[str, Any] | None = None
) -> HttpResponse:
    context = {"import": draft, "refreshed": True, **shelf(request, draft)}
    return render(request, "imports/_contents.html", context | (more or {}))
