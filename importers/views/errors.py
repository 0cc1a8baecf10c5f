"""Pages for requests that fail before any view can answer, or while one does."""

import sys

from django.core.exceptions import TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.shortcuts import render
from django.template.loader import render_to_string

from importers.access.addresses import WrongProxies

RETRY_AFTER_SECONDS = 30


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    context = {
        "too_many_files": isinstance(exception, TooManyFilesSent),
        "wrong_proxies": isinstance(exception, WrongProxies),
    }
    return render(request, "400.html", context, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 if the database is unavailable, locked, or out of space; otherwise 500.

    Django calls this while it handles the exception. The page needs no database.
    """
    error = sys.exception()
    if isinstance(error, UnreadablePostError):  # the client went away, or was too slow
        return HttpResponse("The request was incomplete.\n", status=400)
    if isinstance(error, OperationalError | InterfaceError):
        page = render_to_string("503.html")
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    return HttpResponse(render_to_string("500.html"), status=500)
