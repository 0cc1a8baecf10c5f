"""A CSV with the entries of a draft: uploaded, compared with the images, then applied."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from importers.access import lookups
from importers.forms import entry_file
from importers.intake import drafts, entries
from importers.intake.upload_handler import all_arrived
from importers.views.contents import changed_contents
from importers.views.htmx import HtmxHttpRequest, refuse

NO_FILE = "Choose a CSV file."
NOT_ARRIVED = "The CSV did not arrive whole. Try again."


@require_safe
def template(request: HttpRequest) -> HttpResponse:
    """An example to fill in."""
    headers = {"Content-Disposition": 'attachment; filename="entries.csv"'}
    return HttpResponse(
        entry_file.TEMPLATE, content_type="text/csv; charset=utf-8", headers=headers
    )


@require_POST
def upload(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    given = request.FILES.get("entries")
    try:
        if not given:
            raise ValidationError(NO_FILE if all_arrived(request) else NOT_ARRIVED)
        entries.keep_file(draft, entry_file.parse(given.read()))
    except drafts.NotADraft:
        return refuse(request, draft)
    except ValidationError as wrong:
        return _answer(request, import_id, wrong.messages)
    return _answer(request, import_id)


@require_POST
def apply(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    try:
        entries.apply_file(draft, lookups.actor(request))
    except drafts.NotADraft:
        return refuse(request, draft)
    return _answer(request, import_id)


@require_POST
def dismiss(request: HtmxHttpRequest, import_id: int) -> HttpResponse:
    draft = lookups.visible_import(request, import_id)
    try:
        entries.dismiss_file(draft)
    except drafts.NotADraft:
        return refuse(request, draft)
    return _answer(request, import_id)


def _answer(
    request: HtmxHttpRequest, import_id: int, problems: list[str] | None = None
) -> HttpResponse:
    if request.htmx:
        draft = lookups.visible_import(request, import_id)
        return changed_contents(request, draft, {"entry_problems": problems})
    for problem in problems or []:
        messages.error(request, problem)
    return redirect("import", import_id)
