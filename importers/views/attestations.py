"""Signing: the attestation for a draft, and sending it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from importers.access import lookups
from importers.consent import attestation
from importers.forms.consent import AttestationForm, ShownForm
from importers.forwarding import submission
from importers.models import Import
from importers.views.drafts import draft_page
from importers.views.htmx import HtmxHttpRequest

NO_IMAGE = "There is no accepted image to send yet."
CHANGED = (
    "The images, the list or the statement changed after this page was shown, perhaps in another "
    "tab. Nothing was sent. Check the draft, then sign again."
)


@require_POST
def attest(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    form, shown = AttestationForm(request.POST), ShownForm(request.POST).shown()
    if not draft.is_draft:
        return _too_late(request, draft)
    if not form.is_valid():
        return draft_page(request, draft, form)
    try:
        submission.submit(draft, form.answers(), lookups.actor(request), shown)
    except attestation.NothingToSend:
        return draft_page(request, draft, form, NO_IMAGE)
    except attestation.DraftChanged:
        return draft_page(request, draft, _unsigned(request, form), CHANGED)
    except attestation.AlreadySealed:
        draft.refresh_from_db()
        return _too_late(request, draft)
    return redirect("import", import_id)


def _unsigned(request: HtmxHttpRequest, form: AttestationForm) -> AttestationForm:
    """Return the form without the signature, which was given for something else."""
    answers = request.POST.copy()
    for signature in ("attested", "typed_name"):
        answers.pop(signature, None)
    form.data = answers
    return form


def _too_late(request: HtmxHttpRequest, sealed: Import) -> HttpResponse:
    outcome = "discarded" if sealed.state == Import.State.CANCELED else "signed and sent"
    messages.info(request, f"This import was already {outcome}.")
    return redirect("import", sealed.pk)
