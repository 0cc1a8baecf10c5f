"""The statements that people sign, and publishing a new version of one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.consent import changes, statements
from importers.forms.statements import ConfirmationForm, StatementForm
from importers.models import Right, Statement


@needs()
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "statements/index.html", {"statements": statements.by_basis()})


@needs(Right.PUBLISH_STATEMENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, basis: str) -> HttpResponse:
    """Write a new version, preview it, and publish it: three steps at one address."""
    in_force = statements.in_force(lookups.lawful_basis(basis))
    form = StatementForm(request.POST or None, in_force=in_force)
    if not form.is_valid() or "change" in request.POST:
        return _write(request, in_force, form)
    confirmation = ConfirmationForm(request.POST if "publish" in request.POST else None)
    if not confirmation.is_valid():
        return _preview(request, in_force, form, confirmation)
    return _publish(request, in_force, form)


def _write(request: HttpRequest, in_force: Statement, form: StatementForm) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "in_force": in_force}
    if form.is_outdated and "text" in form.cleaned_data:
        context["changes"] = changes.between(in_force.text, form.cleaned_data["text"])
    return render(request, "statements/new.html", context, status=422 if form.errors else 200)


def _preview(
    request: HttpRequest, in_force: Statement, form: StatementForm, confirmation: ConfirmationForm
) -> HttpResponse:
    text = form.cleaned_data["text"]
    context = {
        "in_force": in_force,
        "text": text,
        "number": in_force.version + 1,
        "changes": changes.between(in_force.text, text),
        "confirmation": confirmation,
    }
    status = 422 if confirmation.errors else 200
    return render(request, "statements/preview.html", context, status=status)


def _publish(request: HttpRequest, in_force: Statement, form: StatementForm) -> HttpResponse:
    basis, given, actor = in_force.lawful_basis, form.cleaned_data, actors.of(request)
    try:
        published = statements.publish(basis, given["text"], actor, based_on=given["based_on"])
    except (statements.Outdated, statements.Unchanged):  # by somebody else, a moment ago
        newest = statements.in_force(basis)
        return _write(request, newest, StatementForm(request.POST, in_force=newest))
    label = published.get_lawful_basis_display()
    messages.success(request, f"Version {published.version} is in force for “{label}”.")
    return redirect("statements")
