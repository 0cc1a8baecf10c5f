"""Pages for requests that fail before any view can answer."""

from django.core.exceptions import TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    context = {"too_many_files": isinstance(exception, TooManyFilesSent)}
    return render(request, "400.html", context, status=400)
