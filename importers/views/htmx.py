from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails

from importers.access import lookups
from importers.intake.drafts import NotADraft
from importers.models import Import

SEALED = "This import is no longer a draft. Nothing was changed."


class HtmxHttpRequest(HttpRequest):
    """A request with what HtmxMiddleware adds. Only for annotations."""

    htmx: HtmxDetails


def changes_draft(
    view: Callable[[HtmxHttpRequest, Import], HttpResponse],
) -> Callable[[HtmxHttpRequest, int], HttpResponse]:
    """Give the view the draft that it changes, and refuse if it is no longer a draft."""

    @wraps(view)
    def wrapped(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
        draft = lookups.visible_import(request, import_id)
        try:
            return view(request, draft)
        except NotADraft:
            return refuse(request, draft)

    return wrapped


def refuse(request: HtmxHttpRequest, draft: Import, sentence: str = SEALED) -> HttpResponse:
    """Show the whole page again, with what was refused: a fragment would not show it."""
    messages.error(request, sentence)
    return HttpResponseClientRefresh() if request.htmx else redirect("import", draft.pk)
