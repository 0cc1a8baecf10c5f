"""The history, and one page for the whole life of an import."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling, reswap

from importers import access, audit, connection, facelists, history, intake, pacing, progress
from importers.forms import FaceListForm, HistoryForm
from importers.forwarding import control, reconcile
from importers.forwarding.retry import retry
from importers.models import Import
from importers.views.draft import draft_page, shelf

NONE_TO_RETRY = (
    "No batch of this import can be sent again: what may have arrived at Persona could be imported "
    "twice."
)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    form = HistoryForm(request.GET)
    chosen = form.filter()
    page = history.page(
        chosen.apply(access.imports(request)),
        before=_cursor(request, "before"),
        after=_cursor(request, "after"),
    )
    query = request.GET.copy()
    for cursor in ("before", "after"):
        query.pop(cursor, None)
    context = {
        "form": form,
        "page": page,
        "filtered": bool(chosen) or query != request.GET,
        "query": query.urlencode(),
        "share": pacing.share(connection.environment()),
    }
    return render(request, "imports/index.html", context)


@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    form = HistoryForm(request.GET)
    if not form.is_valid():
        return redirect(f"{reverse('imports')}?{request.GET.urlencode()}")
    rows = form.filter().apply(access.imports(request))
    with transaction.atomic():
        audit.append(access.actor(request), "imports.exported", filter=request.GET.urlencode())
    headers = {"Content-Disposition": 'attachment; filename="imports.csv"'}
    return StreamingHttpResponse(
        history.csv_lines(rows), content_type="text/csv; charset=utf-8", headers=headers
    )


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = FaceListForm(request.POST or None, initial={"face_list": request.GET.get("list")})
    if request.method == "POST" and form.is_valid():
        draft = intake.open_draft(form.cleaned_data["face_list"], access.actor(request))
        return redirect("import", draft.pk)
    context = {"form": form, "any_list": facelists.usable().exists()}
    return render(request, "imports/new.html", context, status=422 if form.errors else 200)


@require_safe
def detail(request: HttpRequest, import_id: int) -> HttpResponse:
    face_import = access.visible_import(request, import_id)
    if face_import.is_draft:
        return draft_page(request, face_import)
    context = {
        "import": face_import,
        "progress": progress.of_import(face_import),
        **shelf(request, face_import),
    }
    return render(request, "imports/detail.html", context)


@require_safe
def poll(request: HttpRequest, import_id: int) -> HttpResponse:
    """The progress anew; the pace alone while the rest is as the page has it; 286 ends polling."""
    face_import = access.visible_import(request, import_id)
    now = progress.of_import(face_import)
    context = {"import": face_import, "progress": now, "polled": True}
    if face_import.is_unfinished and request.GET.get("seen") == now.version:
        return reswap(render(request, "imports/_pace.html", context), "none")
    answer = HttpResponse if face_import.is_unfinished else HttpResponseStopPolling
    return answer(render_to_string("imports/_progress.html", context, request))


@require_POST
def try_again(request: HttpRequest, import_id: int, number: int | None = None) -> HttpResponse:
    """Every failed batch, or the one of that number."""
    face_import: Import = access.visible_import(request, import_id)
    count = retry(face_import, access.actor(request), number)
    noun = "batch is" if count == 1 else "batches are"
    if count:
        messages.success(request, f"{count} {noun} queued again.")
    elif face_import.is_unfinished:
        messages.success(request, "Trying again now.")
    else:
        messages.error(request, NONE_TO_RETRY)
    return redirect("import", import_id)


@require_POST
def cancel(request: HttpRequest, import_id: int) -> HttpResponse:
    face_import = access.visible_import(request, import_id)
    count = control.cancel_unsent(face_import, access.actor(request))
    rest = face_import.batches.count() - count
    if count:
        said = f"{count} of {count + rest} batches canceled."
        went = f" What went out before ({rest}) stays with Persona." if rest else ""
        messages.success(request, said + went)
    else:
        messages.error(request, "Nothing was canceled: every batch was sent already.")
    return redirect("import", import_id)


@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    control.pause(access.actor(request))
    return redirect("imports")


@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    control.resume(access.actor(request))
    return redirect("imports")


@require_POST
def decide(request: HttpRequest, import_id: int, number: int) -> HttpResponse:
    """Which importer is the batch's: one of the candidates' ids, or `none`."""
    batch = access.batch_of(access.visible_import(request, import_id), number)
    chosen = request.POST.get("importer", "")
    try:
        reconcile.decide(batch, "" if chosen == "none" else chosen or "?", access.actor(request))
    except reconcile.NoSuchCandidate:
        messages.error(request, f"Batch {number} does not wait for that decision any more.")
    else:
        messages.success(request, f"Batch {number} goes on as you decided.")
    return redirect("import", import_id)


def _cursor(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else None
