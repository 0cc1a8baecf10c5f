"""Signing: the answers of a draft, the review of everything, and the attestation."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from importers.access import actors, lookups, recent
from importers.access.rights import needs
from importers.consent import attestation, bases, statements
from importers.consent.attestation import Shown, Signature
from importers.forms import drafts as draft_forms
from importers.forms.consent import ShownForm, SignatureForm
from importers.forms.drafts import DraftForms
from importers.forwarding import estimate, submission
from importers.intake import drafts
from importers.models import Import, Right
from importers.reporting import record
from importers.views.contents import shelf
from importers.views.drafts import questions, what_is_missing
from importers.views.htmx import HtmxHttpRequest, changes_draft

CHANGED = {
    "account_id": "You are signed in with another account now than when this page was shown.",
    "face_list_id": "The list was changed.",
    "statement_version": "A new version of the statement was published.",
    "answers_sha256": "The answers were changed.",
    "manifest_sha256": "The images or their entries were changed.",
    "needs_approval": "The policy of the list was changed.",
}


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def save(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    """Keep the answers of a draft as they are typed."""
    drafts.save_answers(draft, draft_forms.as_typed(request.POST), actors.of(request))
    if "review" in request.POST:
        drafts.reassess(draft)
        return redirect("import_attest", draft.pk)
    return questions(request, draft) if request.htmx else redirect("import", draft.pk)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def reuse(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    """Take over the answers of the person's last attestation."""
    if last := lookups.last_attestation(request):
        drafts.save_answers(draft, draft_forms.reused(last), actors.of(request))
    return redirect(f"{reverse('import', args=[draft.pk])}#answers-head")


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def attest(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    """Review everything on one page, and sign."""
    draft = lookups.visible_import(request, import_id)
    if not draft.is_draft:
        return _too_late(request, draft)
    given = draft_forms.checked(draft)
    if what_is_missing(draft, given):
        return redirect(f"{reverse('import', args=[import_id])}?check=yes")
    person, shown = actors.of(request).person, ShownForm(request.POST).shown()
    now = attestation.shown_now(draft, given.answers.instance, given.entry.entry(), person)
    if request.method == "POST" and (changed := attestation.changed_since(shown, now)):
        # First, because a form with errors would keep the signature.
        return _ask_again(request, draft, [CHANGED[name] for name in changed])
    form = SignatureForm(
        request.POST or None,
        person=person,
        to_confirm=bases.warnings(given.answers.instance, date.today()),
        costs=_costs(draft),
        **recent.confirming(request),
    )
    if request.method == "POST" and form.is_valid():
        return _sign(request, draft, given, form, now)
    return _review(request, draft, given, form, now)


def _sign(
    request: HtmxHttpRequest, draft: Import, given: DraftForms, form: SignatureForm, shown: Shown
) -> HttpResponse:
    answers = given.answers.instance
    answers.typed_name = form.cleaned_data["typed_name"]
    answers.warnings = form.cleaned_data["warnings"]
    mode = Import.Mode(form.cleaned_data["mode"])
    signature = Signature(answers, given.entry.entry(), shown, mode)
    try:
        submission.submit(draft, signature, actors.of(request))
    except attestation.DraftChanged as error:
        drafts.reassess(draft)
        return _ask_again(request, draft, [CHANGED[name] for name in error.changed])
    except attestation.CannotSign as error:
        return _ask_again(request, draft, list(error.sentences))
    except (attestation.NothingToSend, drafts.NotADraft):
        return redirect("import_attest", draft.pk)
    images = "1 image" if draft.image_count == 1 else f"{draft.image_count:,} images"
    next_step = f"The results for {images} appear below."
    if draft.awaits_approval:
        next_step = "Nothing is sent before a second person has approved it."
    messages.success(request, f"Signed. {next_step}")
    return redirect("import", draft.pk)


def _ask_again(request: HtmxHttpRequest, draft: Import, sentences: list[str]) -> HttpResponse:
    """Show the review as it is now, without the signature, which was given for something else."""
    messages.error(request, f"{' '.join(sentences)} Nothing was sent. Review, then sign again.")
    return redirect("import_attest", draft.pk)


def _review(
    request: HtmxHttpRequest, draft: Import, given: DraftForms, form: SignatureForm, shown: Shown
) -> HttpResponse:
    """Show everything. `shown` was read before, so that a later change is noticed."""
    answers = given.answers.instance
    context: dict[str, Any] = {
        "import": draft,
        "form": form,
        "checked_forms": [form],
        "shown": shown,
        "answers": record.facts(answers),
        "entries": record.entries(draft, given.entry.entry()),
        "statement": statements.in_force(answers.lawful_basis),
        "included": record.included(draft),
        **shelf(request, draft),
    }
    return render(request, "imports/review.html", context, status=422 if form.errors else 200)


def _costs(draft: Import) -> dict[str, str]:
    """Return for each mode the requests that it takes, and the shortest time for them."""
    in_bulk = submission.preview(draft)
    requests = {
        Import.Mode.BULK: len(in_bulk.requests),
        Import.Mode.ONE_BY_ONE: in_bulk.images,
    }
    return {mode: _cost(draft, count) for mode, count in requests.items()}


def _cost(draft: Import, requests: int) -> str:
    shortest = estimate.at_best(draft.face_list.environment, requests)
    return f"{requests:,} request{'' if requests == 1 else 's'}, {shortest}"


def _too_late(request: HtmxHttpRequest, sealed: Import) -> HttpResponse:
    outcome = "discarded" if sealed.state == Import.State.CANCELED else "signed and sent"
    if sealed.awaits_approval:
        outcome = "signed"
    messages.info(request, f"This import was already {outcome}.")
    return redirect("import", sealed.pk)
