"""Persona's face lists: as read there, or added by their id."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from importers import access, connection, facelists, progress
from importers.forms import AddListForm
from importers.persona.errors import NotFound, PersonaError


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return _page(request, AddListForm())


@require_POST
def read(request: HttpRequest) -> HttpResponse:
    try:
        count = facelists.read_all(access.actor(request))
    except PersonaError as error:
        messages.error(
            request, f"The lists could not be read. {error.words.rstrip('.')}. Nothing was changed."
        )
    except facelists.Busy as busy:
        messages.error(request, _busy(busy))
    else:
        messages.success(
            request, f"{count} face list{'' if count == 1 else 's'} read from Persona."
        )
    return redirect("lists")


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    form = AddListForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    wanted = form.cleaned_data
    try:
        row, doubt = facelists.add(wanted["persona_id"], wanted["name"], access.actor(request))
    except facelists.NotAFaceList:
        form.add_error("persona_id", "Persona has this list, but it is not a list of faces.")
        return _page(request, form)
    except NotFound:
        form.add_error("persona_id", "Persona does not know a list with this id.")
        return _page(request, form)
    if doubt:
        messages.warning(
            request,
            f"{row} was added, but Persona could not confirm it ({doubt}). If it does not exist, "
            "imports to it wait and say so.",
        )
    else:
        messages.success(request, f"{row} was added.")
    return redirect("lists")


def _page(request: HttpRequest, form: AddListForm) -> HttpResponse:
    context = {
        "lists": facelists.known()
        .annotate(import_count=Count("imports"))
        .order_by("archived", "name", "pk"),
        "form": form,
        "line": connection.line(),
    }
    return render(request, "lists/index.html", context, status=422 if form.errors else 200)


def _busy(busy: facelists.Busy) -> str:
    if notices := progress.line_notices():
        return f"Persona was not asked. {notices[0].title} Nothing was changed."
    seconds = max(1, round(busy.wait.total_seconds()))
    return f"Our share of Persona's rate limit is used up: try again in {seconds} seconds."
