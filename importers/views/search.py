"""Finding records by what an auditor knows of a file."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.audit import trail
from importers.audit.actions import Action
from importers.forms.search import SearchForm
from importers.models import Right
from importers.reporting import search


@needs(Right.SEE_IMPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        query = form.query()
        answer = search.search(lookups.imports(request), query)
        trail.append(
            actors.of(request),
            Action.RECORDS_SEARCHED,
            # Never the text: it may hold a person's name, and no row can be erased.
            kind=query.kind,
            filters=query.filters,
            hits=answer.hits,
        )
        context |= {"answer": answer, "searched_at": datetime.now(UTC)}
    return render(request, "search/index.html", context, status=422 if form.errors else 200)
