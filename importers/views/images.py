"""Faces, for people with the right to see them, and for no cache."""

from collections.abc import Callable
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from importers import access, faces
from importers.audit import Actor
from importers.models import Image

HEADERS = {"Content-Security-Policy": "sandbox; default-src 'none'"}


@require_safe
def full(request: HttpRequest, key: UUID) -> HttpResponse:
    image = access.visible_image(request, key)
    return _answer(request, image, faces.show, image.content_type)


@require_safe
def thumbnail(request: HttpRequest, key: UUID) -> HttpResponse:
    return _answer(request, access.visible_image(request, key), faces.show_small, "image/jpeg")


def _answer(
    request: HttpRequest, image: Image, show: Callable[[Image, Actor], bytes], content_type: str
) -> HttpResponse:
    try:
        data = show(image, access.actor(request))
    except FileNotFoundError as error:
        raise Http404("The image is no longer in storage.") from error
    except OSError:
        return HttpResponse("The image can't be read from storage now.\n", "text/plain", 503)
    return HttpResponse(data, content_type=content_type, headers=HEADERS)
