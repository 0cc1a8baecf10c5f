"""Where a person is signed in, and signing out there."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_http_methods

from importers.access import actors, sessions


@require_http_methods(["GET", "HEAD", "POST"])
def own(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _end(request)
    context = {
        "sessions": sessions.of(actors.of(request).person),
        "own_key": request.session.session_key,
        "idle_minutes": settings.SESSION_IDLE_MINUTES,
        "hours": settings.SESSION_COOKIE_AGE // 3600,
    }
    return render(request, "usersessions/index.html", context)


def _end(request: HttpRequest) -> HttpResponse:
    count = sessions.end_others(request, request.POST.get("session", ""))
    if count:
        messages.success(request, f"{count} session{pluralize(count)} ended.")
    else:
        messages.info(request, "No other session was open.")
    return redirect("account_sessions")
