"""The fact sheet: which basis may be used where, and how long images may be kept."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from importers.access.rights import needs
from importers.consent import bases
from importers.models.consent import LawfulBasis


@needs()
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    context = {"bases": list(LawfulBasis), "rows": bases.table(), "verdicts": list(bases.Verdict)}
    return render(request, "bases/index.html", context)
