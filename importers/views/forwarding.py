"""A person's decisions about sending: pause, resume, retry, cancel, acknowledge, copy."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_http_methods, require_POST

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.forms.forwarding import AcknowledgementForm
from importers.forwarding import control
from importers.intake import copies
from importers.models import Batch, Right
from importers.vault.keeping import StorageUnavailable

NONE_TO_RETRY = (
    "No batch of this import can be retried: a batch that may have arrived at Persona could be "
    "imported twice."
)


@needs(Right.PAUSE_SENDING)
@require_http_methods(["GET", "HEAD", "POST"])
def pause(request: HttpRequest) -> HttpResponse:
    """Stop all sending, once the person has seen what that stops."""
    if request.method == "POST":
        control.pause(actors.of(request))
        return redirect("imports")
    return render(request, "forwarding/pause.html", {"unsent": control.unsent()})


@needs(Right.PAUSE_SENDING)
@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    control.resume(actors.of(request))
    return redirect("imports")


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
def retry(request: HttpRequest, import_id: int, number: int | None = None) -> HttpResponse:
    """Retry every failed batch, or the one of that number."""
    face_import = lookups.visible_import(request, import_id)
    count = control.retry(face_import, actors.of(request), number)
    if count:
        messages.success(request, f"{count} batch{pluralize(count, 'es')} queued again.")
    elif face_import.is_unfinished:
        messages.success(request, "Trying again now.")
    else:
        messages.error(request, NONE_TO_RETRY)
    return redirect("import", import_id)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, import_id: int) -> HttpResponse:
    """Cancel the unsent batches, once the person has seen which."""
    face_import = lookups.visible_import(request, import_id)
    if request.method != "POST":
        context = {"import": face_import, "unsent": control.cancelable(face_import)}
        return render(request, "forwarding/cancel.html", context)
    count = control.cancel_unsent(face_import, actors.of(request))
    others = face_import.batches.exclude(state=Batch.State.CANCELED).count()
    if count:
        sentence = f"{count} unsent batch{pluralize(count, 'es')} canceled."
        kept = f" {others} batch{pluralize(others, 'es')} may already be at Persona."
        messages.success(request, sentence + (kept if others else ""))
    else:
        messages.error(request, "Nothing was canceled: every batch was already sent.")
    return redirect("import", import_id)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
def acknowledge(request: HttpRequest, import_id: int, number: int) -> HttpResponse:
    """Accept that Persona could not import a batch."""
    batch = lookups.batch_of(lookups.visible_import(request, import_id), number)
    form = AcknowledgementForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Batch {number} was not acknowledged. {form.sentence}")
    elif control.acknowledge(batch, form.cleaned_data["note"], actors.of(request)):
        messages.success(request, f"Batch {number} acknowledged.")
    else:
        messages.info(request, f"Batch {number} was already acknowledged.")
    return redirect("import", import_id)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
def copy(request: HttpRequest, import_id: int) -> HttpResponse:
    """Put the images that did not reach the list into a new draft."""
    face_import = lookups.visible_import(request, import_id)
    try:
        draft = copies.copy_lost(face_import, actors.of(request))
    except copies.NothingToCopy:
        messages.error(request, "Every stored image of this import may be on the list.")
        return redirect("import", import_id)
    except (OSError, StorageUnavailable):
        messages.error(request, "The images could not be copied from storage now. Try again.")
        return redirect("import", import_id)
    messages.success(request, f"Copied from import {import_id}. Check the images, then sign.")
    return redirect("import", draft.pk)
