"""What a draft holds, a page at a time, and what a person does with its images."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.forms.entries import EntryForm, IncludeForm, count_personal
from importers.forwarding.submission import preview
from importers.intake import aside, entries, files, known
from importers.models import Image, Import, Right
from importers.views.htmx import HtmxHttpRequest, changes_draft

GALLERY_PAGE_SIZE, REJECTED_PAGE_SIZE, ASIDE_SHOWN = 48, 20, 24
LONGEST_FILTER = 200


def shelf(request: HtmxHttpRequest, draft: Import) -> dict[str, Any]:
    """Return what the draft holds, a page of each kind of file."""
    accepted = _filtered(request, draft).order_by("sort_name", "pk")
    left_out = draft.files.filter(state=Image.State.LEFT_OUT)
    rejected = left_out.exclude(reason__in=Image.ASIDE)
    page = request.GET.get("page") or request.POST.get("page")
    return {
        "gallery": Paginator(accepted, GALLERY_PAGE_SIZE).get_page(page),
        "filter": request.POST.get("q", ""),
        "rejected": Paginator(rejected.order_by("reason", "pk"), REJECTED_PAGE_SIZE).get_page(
            request.GET.get("rejected")
        ),
        **_workspace(draft),
    }


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def contents(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    """Show a page; a POST filters it by a part of a name, which stays out of addresses."""
    draft = lookups.visible_import(request, import_id)
    if not draft.is_draft:  # signed or discarded meanwhile: the page is another one now
        return HttpResponseClientRefresh() if request.htmx else redirect("import", import_id)
    return changed_contents(request, draft)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def remove(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    chosen = _chosen(request, draft)
    keys = list(chosen.filter(state=Image.State.ACCEPTED).values_list("key", flat=True))
    aside.remove(draft, chosen, actors.of(request))
    return _changed(request, draft, removed_now=",".join(map(str, keys)), count=len(keys))


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def restore(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    aside.restore(draft, _chosen(request, draft), actors.of(request))
    return _changed(request, draft)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def include(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    """Send images again that the list has already."""
    form, chosen = IncludeForm(request.POST), _chosen(request, draft)
    if not form.is_valid():
        return changed_contents(request, draft, {"include_form": form})
    if not chosen:
        return changed_contents(request, draft, {"include_form": form, "nothing_chosen": True})
    aside.include(draft, chosen, form.cleaned_data["because"], actors.of(request))
    return _changed(request, draft)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def describe(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    """Set the entry of the selected images."""
    form, chosen = EntryForm(request.POST, prefix="own"), _chosen(request, draft)
    if not form.is_valid() or not chosen:
        return changed_contents(request, draft, {"own_entry": form, "nothing_chosen": not chosen})
    described = chosen.count()
    entries.describe(draft, chosen, form.entry(), actors.of(request))
    return _changed(request, draft, described=described)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def clear_rejected(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    files.clear_rejected(draft, actors.of(request))
    return _changed(request, draft)


def _workspace(draft: Import) -> dict[str, Any]:
    removed = draft.files.filter(reason=Image.REMOVED).order_by("sort_name", "pk")
    sent_before = draft.files.filter(reason=Image.ALREADY_SENT).order_by("sort_name", "pk")
    kept = entries.matching(draft)
    return {
        "preview": preview(draft),
        "removed": removed[:ASIDE_SHOWN],
        "removed_count": removed.count(),
        "sent_before": known.with_import(draft, sent_before[:ASIDE_SHOWN]),
        "sent_before_count": sent_before.count(),
        "include_form": IncludeForm(),
        "own_entry": EntryForm(prefix="own"),
        "matching": kept,
        "personal_count": count_personal(entries.subject_references(draft, kept)),
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


def _changed(request: HtmxHttpRequest, draft: Import, **context: Any) -> HttpResponse:
    """Answer htmx with the fragment that shows the draft, a plain form with the page."""
    if not request.htmx:
        return redirect("import", draft.pk)
    return changed_contents(request, draft, context)


def changed_contents(
    request: HtmxHttpRequest, draft: Import, more: dict[str, Any] | None = None
) -> HttpResponse:
    context = {"import": draft, "refreshed": True, **shelf(request, draft)}
    return render(request, "imports/_contents.html", context | (more or {}))
