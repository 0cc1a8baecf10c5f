from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails

from importers.models import Import

SEALED = "This import is no longer a draft. Nothing was changed."


class HtmxHttpRequest(HttpRequest):
    """A request with what HtmxMiddleware adds. Only for annotations."""

    htmx: HtmxDetails


def refuse(request: HtmxHttpRequest, draft: Import, sentence: str = SEALED) -> HttpResponse:
    """Show the whole page again, with what was refused: a fragment would not show it."""
    messages.error(request, sentence)
    return HttpResponseClientRefresh() if request.htmx else redirect("import", draft.pk)
