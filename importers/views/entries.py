"""A CSV with the entries of a draft: uploaded, compared with the images, then applied."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from importers.access import actors
from importers.access.rights import needs
from importers.forms import entry_file
from importers.intake import entries
from importers.intake.upload_handler import all_arrived
from importers.models import Import, Right
from importers.views.contents import changed_contents
from importers.views.htmx import HtmxHttpRequest, changes_draft

NO_FILE = "Choose a CSV file."
NOT_ARRIVED = "The CSV did not arrive whole. Try again."


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_safe
def template(request: HttpRequest) -> HttpResponse:
    """An example to fill in."""
    headers = {"Content-Disposition": 'attachment; filename="entries.csv"'}
    return HttpResponse(
        entry_file.TEMPLATE, content_type="text/csv; charset=utf-8", headers=headers
    )


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def upload(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    given = request.FILES.get("entries")
    try:
        if not given:
            raise ValidationError(NO_FILE if all_arrived(request) else NOT_ARRIVED)
        entries.keep_file(draft, entry_file.parse(given.read()), actors.of(request))
    except ValidationError as wrong:
        return _answer(request, draft, wrong.messages)
    return _answer(request, draft)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def apply(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    entries.apply_file(draft, actors.of(request))
    return _answer(request, draft)


@needs(Right.SEE_IMPORTS, Right.MAKE_IMPORTS)
@require_POST
@changes_draft
def dismiss(request: HtmxHttpRequest, draft: Import) -> HttpResponse:
    entries.dismiss_file(draft, actors.of(request))
    return _answer(request, draft)


def _answer(
    request: HtmxHttpRequest, draft: Import, problems: list[str] | None = None
) -> HttpResponse:
    if request.htmx:
        return changed_contents(request, draft, {"entry_problems": problems})
    for problem in problems or []:
        messages.error(request, problem)
    return redirect("import", draft.pk)
