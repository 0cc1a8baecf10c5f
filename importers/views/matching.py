"""Matching ambiguous batches with importers at Persona: choose, confirm, and undo."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_http_methods, require_POST

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.forms.matching import MatchingForm
from importers.forwarding import decisions
from importers.models import Right

NO_LONGER = "Some of these batches no longer wait for that decision. Nothing was changed."
TOO_LATE = "It is too late: the decision about batch {} has taken effect."
DECIDED = "Decided for {} batch{}. You can undo this for 30 seconds."


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def table(request: HttpRequest, import_id: int) -> HttpResponse:
    """Show the table, then what was chosen; record it once that is confirmed."""
    face_import = lookups.visible_import(request, import_id)
    form = MatchingForm(face_import, request.POST or None)
    if not form.batches:
        return redirect("import", import_id)
    is_chosen = request.method == "POST" and form.is_valid() and "change" not in request.POST
    if is_chosen and "confirmed" in request.POST:
        try:
            decisions.decide(face_import, form.choices, actors.of(request))
        except decisions.NoSuchCandidate:
            messages.error(request, NO_LONGER)
            return redirect("import_matching", import_id)
        count = len(form.choices)
        messages.success(request, DECIDED.format(count, pluralize(count, "es")))
        return redirect("import", import_id)
    context = {"import": face_import, "form": form, "is_chosen": is_chosen}
    return render(request, "imports/matching.html", context, status=422 if form.errors else 200)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
def undo(request: HttpRequest, import_id: int, number: int) -> HttpResponse:
    batch = lookups.batch_of(lookups.visible_import(request, import_id), number)
    try:
        decisions.undo(batch, actors.of(request))
    except decisions.TooLate:
        messages.error(request, TOO_LATE.format(number))
        return redirect("import", import_id)
    messages.success(request, f"The decision about batch {number} was undone.")
    return redirect("import_matching", import_id)
