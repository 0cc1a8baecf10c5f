"""The audit trail, and who saw which faces. Reading either is recorded as well."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from importers.access import actors, rights
from importers.access.rights import needs
from importers.audit import trail as audit_trail
from importers.audit.actions import Action
from importers.forms.audit import FacesForm, TrailForm
from importers.models import Right
from importers.reporting import faces_seen, trail
from importers.views.downloads import csv_file
from importers.views.paging import cursors, query_without_cursors

FACES_PAGE_SIZE = 200


@needs(Right.SEE_TRAIL)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    form = TrailForm(request.GET)
    chosen = form.filter()
    # First, so that the rows below include this one.
    actor = actors.of(request)
    audit_trail.append_once(actor, Action.TRAIL_READ, filter=chosen.on_record)
    page = trail.page(chosen, **cursors(request))
    context = {
        "form": form,
        "page": page,
        "rows": trail.rows(page.rows, rights.of(request)),
        "filtered": bool(chosen) or page.is_partial,
        "query": query_without_cursors(request),
        "head": audit_trail.head(),
    }
    return render(request, "audit/index.html", context)


@needs(Right.SEE_TRAIL, Right.EXPORT)
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    form = TrailForm(request.GET)
    if not form.is_valid():
        return redirect(f"{reverse('audit')}?{request.GET.urlencode()}")
    chosen = form.filter()
    # Before the first row leaves: an export that breaks off counts too.
    audit_trail.append(actors.of(request), Action.TRAIL_EXPORTED, filter=chosen.on_record)
    return csv_file(trail.csv_lines(chosen), "audit-trail.csv")


@needs(Right.SEE_TRAIL)
@require_safe
def faces(request: HttpRequest) -> HttpResponse:
    form = FacesForm(request.GET or None)
    context: dict[str, Any] = {"form": form, "most": faces_seen.MOST_VIEWS}
    if form.is_valid():
        question = form.question()
        actor = actors.of(request)
        audit_trail.append_once(actor, Action.FACES_REPORTED, filter=question.on_record)
        context |= _seen(request, question)
    return render(request, "audit/faces.html", context, status=422 if form.errors else 200)


@needs(Right.SEE_TRAIL, Right.EXPORT)
@require_safe
def faces_export(request: HttpRequest) -> HttpResponseBase:
    form = FacesForm(request.GET)
    if not form.is_valid():
        return redirect(f"{reverse('audit_faces')}?{request.GET.urlencode()}")
    question = form.question()
    try:
        seen = faces_seen.answer(question)
    except faces_seen.TooMany:
        return redirect(f"{reverse('audit_faces')}?{request.GET.urlencode()}")
    audit_trail.append(actors.of(request), Action.FACES_EXPORTED, filter=question.on_record)
    return csv_file(faces_seen.csv_lines(seen), "faces-seen.csv")


def _seen(request: HttpRequest, question: faces_seen.Question) -> dict[str, Any]:
    try:
        seen = faces_seen.answer(question)
    except faces_seen.TooMany:
        return {"too_many": True}
    page = Paginator(seen, FACES_PAGE_SIZE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return {
        "pages": page,
        "rows": faces_seen.with_keys(list(page)),
        "images": len({row.image for row in seen}),
        "people": len({row.account_id for row in seen}),
        "query": query.urlencode(),
    }
