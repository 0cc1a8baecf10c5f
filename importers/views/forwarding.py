"""A person's decisions about sending: pause, resume, retry, cancel."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_POST

from importers.access import lookups
from importers.forwarding import control
from importers.models import Batch

NONE_TO_RETRY = (
    "No batch of this import can be retried: a batch that may have arrived at Persona could be "
    "imported twice."
)


@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    control.pause(lookups.actor(request))
    return redirect("imports")


@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    control.resume(lookups.actor(request))
    return redirect("imports")


@require_POST
def retry(request: HttpRequest, import_id: int, number: int | None = None) -> HttpResponse:
    """Retry every failed batch, or the one of that number."""
    face_import = lookups.visible_import(request, import_id)
    count = control.retry(face_import, lookups.actor(request), number)
    if count:
        messages.success(request, f"{count} batch{pluralize(count, 'es')} queued again.")
    elif face_import.is_unfinished:
        messages.success(request, "Trying again now.")
    else:
        messages.error(request, NONE_TO_RETRY)
    return redirect("import", import_id)


@require_POST
def cancel(request: HttpRequest, import_id: int) -> HttpResponse:
    face_import = lookups.visible_import(request, import_id)
    count = control.cancel_unsent(face_import, lookups.actor(request))
    others = face_import.batches.exclude(state=Batch.State.CANCELED).count()
    if count:
        sentence = f"{count} unsent batch{pluralize(count, 'es')} canceled."
        kept = f" {others} batch{pluralize(others, 'es')} may already be at Persona."
        messages.success(request, sentence + (kept if others else ""))
    else:
        messages.error(request, "Nothing was canceled: every batch was already sent.")
    return redirect("import", import_id)
