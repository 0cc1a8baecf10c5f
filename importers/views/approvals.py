"""A second person approves or refuses what was signed; its makers may withdraw it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from importers.access import actors, lookups, recent
from importers.access.rights import needs
from importers.consent import approval
from importers.consent.seal import SealBroken
from importers.forms.approvals import Decision, DecisionForm
from importers.forwarding import submission
from importers.intake import known
from importers.models import Attestation, Entry, Import, Right
from importers.reporting import record
from importers.views.imports import shown_files

NOT_AWAITED = "This import no longer waits for a decision. Nothing was changed."
SIGNED_AGAIN = "The import was signed again since this page was shown. Review it, then decide."


@needs(Right.SEE_IMPORTS, Right.SEE_FACES, Right.APPROVE)
@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest, import_id: int) -> HttpResponse:
    """Review everything on one page, and approve or refuse it."""
    face_import = lookups.visible_import(request, import_id)
    signed = face_import.attestation
    if signed is None or not approval.is_wanted(face_import):
        messages.info(request, NOT_AWAITED)
        return redirect("import", import_id)
    try:
        approval.admit(signed, actors.of(request))
    except approval.IsMaker as maker:
        raise PermissionDenied from maker
    form = DecisionForm(
        request.POST or None,
        initial={"seal": signed.seal},
        can_be_refused=face_import.awaits_approval,
        **recent.confirming(request),
    )
    if request.method == "POST" and form.is_valid():
        return _decide(request, face_import, form)
    return _review(request, signed, form)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
def withdraw(request: HttpRequest, import_id: int) -> HttpResponse:
    face_import = lookups.visible_import(request, import_id)
    try:
        submission.withdraw(face_import, actors.of(request))
    except submission.NotAwaited:
        messages.info(request, NOT_AWAITED)
    else:
        messages.success(request, "Withdrawn. The signature is void. Sign again when it is ready.")
    return redirect("import", import_id)


def _decide(request: HttpRequest, face_import: Import, form: DecisionForm) -> HttpResponse:
    given, actor = form.cleaned_data, actors.of(request)
    try:
        if given["decision"] == Decision.APPROVED:
            submission.approve(face_import, given["seal"], actor)
            done = "Approved. The results appear below."
        else:
            submission.refuse(face_import, given["seal"], given["reason"], actor)
            done = "Refused. The import is a draft again, and its signature is void."
    except submission.NotAwaited:
        messages.info(request, NOT_AWAITED)
    except submission.ShownAnother:
        return _ask_again(request, face_import, SIGNED_AGAIN)
    except SealBroken as broken:
        return _ask_again(request, face_import, f"{broken.reason} Nothing was approved.")
    else:
        messages.success(request, done)
    return redirect("import", face_import.pk)


def _ask_again(request: HttpRequest, face_import: Import, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return redirect("import_approve", face_import.pk)


def _review(request: HttpRequest, signed: Attestation, form: DecisionForm) -> HttpResponse:
    face_import = signed.face_import
    context: dict[str, Any] = {
        "import": face_import,
        "attestation": signed,
        "broken_seal": record.broken_seal(signed),
        "answers": record.facts(signed),
        "entries": record.entries(face_import, Entry()),
        "included": record.included(face_import),
        "sent_meanwhile": known.sent_meanwhile(face_import),
        "form": form,
        "checked_forms": [form],
        **shown_files(request, face_import),
    }
    return render(request, "approvals/decide.html", context, status=422 if form.errors else 200)
