"""The history, and one page for the whole life of an import."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseStopPolling

from importers.access import actors, lookups, rights
from importers.access.rights import needs
from importers.audit import trail
from importers.audit.actions import Action
from importers.consent import approval
from importers.forms.history import HistoryForm
from importers.forms.lists import FaceListForm
from importers.forwarding import progress
from importers.forwarding.progress import Progress
from importers.gateway import environments, rate_limit
from importers.intake import drafts
from importers.lists import catalog
from importers.models import Attestation, Batch, Image, Import, Right
from importers.reporting import history, outcomes, record
from importers.reporting.outcomes import Outcome
from importers.views.contents import GALLERY_PAGE_SIZE, REJECTED_PAGE_SIZE
from importers.views.downloads import csv_file
from importers.views.drafts import draft_page
from importers.views.htmx import HtmxHttpRequest
from importers.views.paging import cursors, query_without_cursors


@needs()
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show the history; to a person who may not see imports, the page of their own work."""
    if not rights.may(request, Right.SEE_IMPORTS):
        return redirect(rights.home(request))
    form = HistoryForm(request.GET)
    chosen = form.filter()
    page = history.page(chosen.apply(lookups.imports(request)), **cursors(request))
    context = {
        "form": form,
        "page": page,
        "to_decide": _to_decide(request),
        "filtered": bool(chosen) or page.is_partial,
        "query": query_without_cursors(request),
        "budget": rate_limit.budget(environments.current()),
    }
    return render(request, "imports/index.html", context)


def _to_decide(request: HttpRequest) -> int:
    """Return how many imports wait for a decision that this person may make."""
    if not rights.may(request, Right.APPROVE):
        return 0
    return approval.wanted_of(lookups.imports(request), actors.of(request).person).count()


@needs(Right.SEE_IMPORTS, Right.EXPORT)
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    form = HistoryForm(request.GET)
    if not form.is_valid():
        return redirect(f"{reverse('imports')}?{request.GET.urlencode()}")
    chosen = form.filter()
    # Before the first row leaves: an export that breaks off counts too.
    trail.append(actors.of(request), Action.IMPORTS_EXPORTED, filter=chosen.on_record)
    return csv_file(history.csv_lines(chosen.apply(lookups.imports(request))), "imports.csv")


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = FaceListForm(request.POST or None, initial={"face_list": request.GET.get("list")})
    if request.method == "POST" and form.is_valid():
        draft = drafts.open_draft(form.cleaned_data["face_list"], actors.of(request))
        return redirect("import", draft.pk)
    context = {"form": form, "any_list": catalog.usable().exists()}
    return render(request, "imports/new.html", context, status=422 if form.errors else 200)


@needs(Right.SEE_IMPORTS)
@require_safe
def detail(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    face_import = lookups.visible_import(request, import_id)
    if face_import.is_draft and rights.may(request, Right.MAKE_IMPORTS):
        return draft_page(request, face_import)
    signed = face_import.attestation
    now = progress.of_import(face_import, request.GET.get("batches"))
    is_wanted = face_import.awaits_approval or now.lacks_approval
    context = {
        "import": face_import,
        "progress": now,
        "attestation": signed,
        "broken_seal": record.broken_seal(signed) if signed else "",
        "is_wanted": is_wanted,
        "may_decide": is_wanted and signed and _may_decide(request, signed),
        **shown_files(request, face_import),
    }
    return render(request, "imports/detail.html", context)


def _may_decide(request: HttpRequest, signed: Attestation) -> bool:
    person = actors.of(request).person
    return rights.may(request, Right.APPROVE) and approval.may_decide(signed, person)


@needs(Right.SEE_IMPORTS)
@require_safe
def poll(request: HttpRequest, import_id: int) -> HttpResponse:
    """Answer with the progress; 204 if the page shows it already; 286 at the end."""
    seen = request.GET.get("seen")
    if seen and seen == progress.version(import_id):  # only a page that was shown knows it
        return HttpResponse(status=204)
    face_import = lookups.visible_import(request, import_id)
    now = progress.of_import(face_import, request.GET.get("batches"))
    context = {
        "import": face_import,
        "progress": now,
        "outcomes": _outcomes(now, request.GET.getlist("shown_batch")),
        "polled": True,
    }
    answer = HttpResponse if face_import.is_unfinished else HttpResponseStopPolling
    return answer(render_to_string("imports/_progress.html", context, request))


def _outcomes(now: Progress, numbers: list[str]) -> list[tuple[Batch, Outcome]]:
    """Return the batches of these numbers, each with what is known of its images."""
    asked = [batch for batch in now.batches if str(batch.number) in numbers]
    return [(batch, outcomes.of_batch(batch)) for batch in asked]


def shown_files(request: HttpRequest, face_import: Import) -> dict[str, Any]:
    """Return a page of the faces, each with its outcome, and one of the rejected files."""
    left_out = face_import.files.filter(state=Image.State.LEFT_OUT)
    rejected = left_out.exclude(reason=Image.REMOVED)
    images = Paginator(record.images(face_import), GALLERY_PAGE_SIZE)
    shown = images.get_page(request.GET.get("page"))
    return {
        "images": shown,
        "faces": [(image, outcomes.of(image)) for image in shown],
        "batches_of_faces": {image.batch for image in shown if image.batch},
        "rejected": Paginator(rejected, REJECTED_PAGE_SIZE).get_page(request.GET.get("rejected")),
    }
