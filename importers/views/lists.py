"""Persona's face lists: synced from there, or added by their ID; and the policy of each."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.forms.lists import AddListForm, PolicyForm
from importers.forwarding.notices import gateway_notices
from importers.lists import catalog, policy
from importers.models import Right


@needs()
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return _page(request, AddListForm())


@needs(Right.ADD_LISTS)
@require_POST
def sync(request: HttpRequest) -> HttpResponse:
    try:
        count = catalog.sync(actors.of(request))
    except catalog.NoRequestLeft as none_left:
        messages.error(request, _no_request_left(none_left))
    except catalog.Unavailable as unavailable:
        messages.error(request, f"Lists were not synced. {unavailable.words}. Nothing was changed.")
    else:
        messages.success(request, f"{count} face list{pluralize(count)} synced from Persona.")
    return redirect("lists")


@needs(Right.ADD_LISTS)
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    form = AddListForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    wanted = form.cleaned_data
    try:
        row, doubt = catalog.add(wanted["persona_id"], wanted["name"], actors.of(request))
    except catalog.NotAFaceList:
        form.add_error("persona_id", "Persona has this list, but it is not a face list.")
        return _page(request, form)
    except catalog.UnknownList:
        form.add_error("persona_id", "Persona has no list with this ID.")
        return _page(request, form)
    if doubt:
        messages.warning(
            request,
            f"{row} was added, but Persona could not confirm it ({doubt}). If it does not exist, "
            "imports to it stay on hold.",
        )
    else:
        messages.success(request, f"{row} was added.")
    return redirect("lists")


@needs(Right.SET_POLICY)
@require_http_methods(["GET", "HEAD", "POST"])
def set_policy(request: HttpRequest, list_id: int) -> HttpResponse:
    face_list = lookups.face_list(list_id)
    if request.method != "POST":
        form = PolicyForm(initial={"needs_approval": face_list.needs_approval})
        context = {"list": face_list, "form": form, "waiting": policy.waiting(face_list)}
        return render(request, "lists/policy.html", context)
    form = PolicyForm(request.POST)
    form.is_valid()  # a box is ticked or not: nothing can be wrong
    needed = form.cleaned_data["needs_approval"]
    policy.change(face_list, needs_approval=needed, actor=actors.of(request))
    now = "need" if needed else "do not need"
    messages.success(request, f"Imports to {face_list} {now} an approval from now on.")
    return redirect("lists")


def _page(request: HttpRequest, form: AddListForm) -> HttpResponse:
    context = {
        "lists": catalog.known()
        .annotate(import_count=Count("imports"))
        .order_by("archived", "name", "pk"),
        "form": form,
    }
    return render(request, "lists/index.html", context, status=422 if form.errors else 200)


def _no_request_left(none_left: catalog.NoRequestLeft) -> str:
    if notices := gateway_notices():
        return f"Lists were not synced. {notices[0].title} Nothing was changed."
    seconds = max(1, round(none_left.wait.total_seconds()))
    wait = f"Try again in {seconds} second{pluralize(seconds)}."
    return f"Our share of Persona's rate limit is used up. {wait}"
