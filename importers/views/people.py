"""Accounts: all of them, an invitation, and the page of one person."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from importers.access import actors, lookups, mail, people, roles, sessions
from importers.access.people import Access
from importers.access.rights import needs
from importers.audit.actors import Actor
from importers.forms.people import (
    AccessForm,
    DetailsForm,
    HandoverForm,
    InvitationForm,
    PeopleFilterForm,
)
from importers.intake import handover
from importers.models import Person, Right, Role
from importers.models.people import display_name

DETAILS = ("first_name", "last_name", "email")


@needs(Right.MANAGE_PEOPLE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    form = PeopleFilterForm(request.GET)
    chosen = form.chosen()
    context = {"form": form, "people": people.found(**chosen), "filtered": bool(chosen)}
    return render(request, "people/index.html", context)


@needs(Right.MANAGE_PEOPLE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None)
    if form.is_valid():
        given = form.cleaned_data
        details = {name: given[name] for name in DETAILS}
        try:
            invited = people.invite(given["username"], _access(form), actors.of(request), **details)
        except people.UsernameTaken as refused:
            form.add_error("username", str(refused))
        else:
            return _pass_on(request, invited)
    context = {"form": form, "role_boxes": _role_boxes(form)}
    return render(request, "people/new.html", context, status=422 if form.errors else 200)


@needs(Right.MANAGE_PEOPLE)
@require_safe
def detail(request: HttpRequest, person_id: int) -> HttpResponse:
    return _page(request, lookups.account(person_id))


@needs(Right.MANAGE_PEOPLE)
@require_POST
def change_details(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    form = DetailsForm(request.POST)
    if not form.is_valid():
        return _page(request, person, details_form=form)
    people.change_details(person, actors.of(request), **form.cleaned_data)
    messages.success(request, "The details were saved.")
    return redirect("person", person.pk)


@needs(Right.MANAGE_PEOPLE)
@require_POST
def change_access(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    form = AccessForm(request.POST, initial={"ends_on": person.ends_on})
    if not form.is_valid():
        return _page(request, person, access_form=form)
    access = _access(form)
    return _act(
        request, person, lambda by: people.change_access(person, access, by), "Access was saved."
    )


@needs(Right.MANAGE_PEOPLE)
@require_POST
def deactivate(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    sentence = f"The account of {display_name(person)} was deactivated. Its sessions have ended."
    return _act(request, person, lambda by: people.deactivate(person, by), sentence)


@needs(Right.MANAGE_PEOPLE)
@require_POST
def reactivate(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    sentence = f"The account of {display_name(person)} was reactivated."
    return _act(request, person, lambda by: people.reactivate(person, by), sentence)


@needs(Right.MANAGE_PEOPLE)
@require_POST
def reset_second_factor(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    sentence = f"The second factor of {display_name(person)} was removed. All sessions ended."
    return _act(request, person, lambda by: people.reset_second_factor(person, by), sentence)


@needs(Right.MANAGE_PEOPLE)
@require_POST
def end_sessions(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    count = sessions.end_all(person, actors.of(request))
    messages.success(request, f"{count} session{pluralize(count)} ended.")
    return redirect("person", person.pk)


@needs(Right.MANAGE_PEOPLE)
@require_POST
def link(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    try:
        return _pass_on(request, person)
    except people.Refused as refused:
        messages.error(request, str(refused))
        return redirect("person", person.pk)


@needs(Right.MANAGE_PEOPLE)
@require_POST
def hand_over(request: HttpRequest, person_id: int) -> HttpResponse:
    person = lookups.account(person_id)
    form = HandoverForm(request.POST, colleagues=handover.takers(person))
    if not form.is_valid():
        return _page(request, person, handover_form=form)
    colleague = form.cleaned_data["colleague"]
    try:
        count = handover.hand_over(person, colleague, actors.of(request))
    except handover.CannotMakeImports:  # the right was taken a moment ago
        form.add_error("colleague", form.fields["colleague"].error_messages["invalid_choice"])
        return _page(request, person, handover_form=form)
    drafts = f"{count} draft{pluralize(count)}"
    messages.success(request, f"{drafts} handed over to {display_name(colleague)}.")
    return redirect("person", person.pk)


def _act(
    request: HttpRequest, person: Person, act: Callable[[Actor], None], sentence: str
) -> HttpResponse:
    """Do it, and return to the person's page with the sentence, or with why it was refused."""
    try:
        act(actors.of(request))
    except people.Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, sentence)
    return redirect("person", person.pk)


def _pass_on(request: HttpRequest, person: Person) -> HttpResponse:
    """Mail a new one-time link, or show it in this response alone: it is stored nowhere."""
    address = request.build_absolute_uri(people.make_link(person, actors.of(request)))
    delivery = mail.deliver(person, address)
    context = {
        "person": person,
        "address": "" if delivery is mail.Delivery.MAILED else address,
        "has_failed": delivery is mail.Delivery.FAILED,
    }
    return render(request, "people/link.html", context)


def _page(request: HttpRequest, person: Person, **forms: Any) -> HttpResponse:
    """Show the person, with forms that hold errors in place of new ones."""
    details = {name: getattr(person, name) for name in DETAILS}
    access = people.access_of(person).on_record | {"ends_on": person.ends_on}
    context: dict[str, Any] = {
        "person": person,
        "roles": roles.of(person),
        "rights": [right.label for right in person.additional_rights],
        "is_own": person == request.user,
        "sessions": sessions.of(person),
        "drafts": handover.open_drafts(person),
        "details_form": DetailsForm(initial=details),
        "access_form": AccessForm(initial=access),
        "handover_form": HandoverForm(colleagues=handover.takers(person)),
    } | forms
    context["role_boxes"] = _role_boxes(context["access_form"])
    return render(request, "people/person.html", context, status=422 if forms else 200)


def _access(form: AccessForm) -> Access:
    given = form.cleaned_data
    return Access(frozenset(given["roles"]), frozenset(given["rights"]), given["ends_on"])


def _role_boxes(form: AccessForm) -> list[tuple[Any, list[str]]]:
    """Return the checkbox of each role with what the role allows."""
    return [(box, roles.allowed_to(Role(box.data["value"]))) for box in form["roles"]]
