"""A draft: its page, its list, and discarding it."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.consent import attestation, bases, statements
from importers.forms import drafts as draft_forms
from importers.forms import entry_file
from importers.forms.drafts import DraftForms
from importers.forms.lists import FaceListForm
from importers.imaging.inspection import MAX_BYTES
from importers.intake import drafts, files
from importers.models import Import, Right
from importers.views.contents import changed_contents, shelf
from importers.views.htmx import HtmxHttpRequest, changes_draft, refuse

NO_IMAGE = "Add at least one image."
ONE_WRONG = "1 answer is missing or wrong. It is marked below."
MANY_WRONG = "{} answers are missing or wrong. They are marked below."
MISSING_ENTRIES = {
    "listing_reason": "{} of the images have no reason for listing. Choose one for all of them.",
    "case_reference": "{} of the images have no case reference. Enter one for all of them.",
}
LIMITS = {
    "file_bytes": MAX_BYTES,
    "group_files": files.GROUP_FILES,
    "group_bytes": files.GROUP_BYTES,
}


def draft_page(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    """Show a draft; with `check` in the address, also what is missing before it can be signed."""
    is_checked = "check" in request.GET
    given = draft_forms.checked(draft) if is_checked else draft_forms.shown(draft)
    context = {
        "import": draft,
        "list_form": FaceListForm(initial={"face_list": draft.face_list_id}),
        "limits": LIMITS,
        "entry_columns": entry_file.COLUMNS,
        "reusable": None if draft.draft_answers else lookups.last_attestation(request),
        "missing": what_is_missing(draft, given) if is_checked else [],
        "checked_forms": given if is_checked else (),
        **_asked(given),
        **shelf(request, draft),
    }
    return render(request, "imports/draft.html", context)


def questions(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    """Show what the basis and the jurisdictions ask for."""
    context = {"import": draft, "saved": True, **_asked(draft_forms.shown(draft))}
    return render(request, "imports/_questions.html", context)


def what_is_missing(draft: Import, given: DraftForms) -> list[str]:
    """Return a sentence for each thing that is missing before a draft can be signed."""
    missing = [] if draft.image_count else [NO_IMAGE]
    if draft.face_list.archived:
        missing.append(f"The list {draft.face_list} is archived at Persona. Choose another.")
    if drafts.has_entry_file(draft):
        missing.append("A CSV with entries is waiting. Apply or dismiss it.")
    if not given.are_valid():
        wrong = len(given.answers.errors) + len(given.entry.errors)
        return [*missing, ONE_WRONG if wrong == 1 else MANY_WRONG.format(wrong)]
    basis, entry = given.answers.instance.lawful_basis, given.entry.entry()
    counts = attestation.missing_entries(draft, basis, entry)
    return missing + [MISSING_ENTRIES[name].format(count) for name, count in counts.items()]


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def change_list(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    form = FaceListForm(request.POST)
    if not form.is_valid():
        return refuse(request, draft, "The list was not changed. Choose one of the lists.")
    drafts.change_list(draft, form.cleaned_data["face_list"], actors.of(request))
    if not request.htmx:
        return redirect("import", draft.pk)
    # Another list has other images already.
    return changed_contents(request, draft, {"list_form": form})


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def discard(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    drafts.discard(draft, actors.of(request))
    return redirect("import", draft.pk)


def _asked(given: DraftForms) -> dict[str, Any]:
    """Return the questions of the basis and the jurisdictions that were chosen."""
    basis, places = given.answers.chosen
    names = bases.questions(basis, places) if basis else bases.EVERY_BASIS
    return {
        "answers": given.answers,
        "entry": given.entry,
        "questions": [given.answers[name] for name in names if name not in bases.CHOICES],
        "refusals": bases.refusals(basis, places) if basis else [],
        "cautions": bases.cautions(basis, places) if basis else [],
        "term": bases.suggested_term(places) if places else None,
        "statement": statements.in_force(basis) if basis else None,
    }
