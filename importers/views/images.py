"""Faces, for people who may see them; never for a cache."""

from collections.abc import Callable, Iterable
from functools import partial
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from importers.access import actors, lookups, rights
from importers.access.rights import needs
from importers.audit.actors import Actor
from importers.models import Image, Import, Right
from importers.vault import viewing

# An image opened by itself must not run anything that its bytes may hide.
HEADERS = {"Content-Security-Policy": "sandbox; default-src 'none'"}


@needs(Right.SEE_IMPORTS, Right.SEE_FACES)
@require_safe
def full(request: HttpRequest, key: UUID) -> HttpResponse:
    image = lookups.visible_image(request, key)
    return _answer(request, image, viewing.show, image.content_type)


@needs(Right.SEE_IMPORTS, Right.SEE_FACES)
@require_safe
def thumbnail(request: HttpRequest, key: UUID) -> HttpResponse:
    image = lookups.visible_image(request, key)
    show = partial(viewing.show_thumbnail, viewing=request.GET.get("viewing", ""))
    return _answer(request, image, show, "image/jpeg")


def show_gallery(request: HttpRequest, face_import: Import, images: Iterable[Image]) -> None:
    """Record that the person sees these faces. Whoever may not see faces is shown none."""
    if rights.may(request, Right.SEE_FACES):
        viewing.show_gallery(face_import, images, actors.of(request))


def _answer(
    request: HttpRequest, image: Image, show: Callable[[Image, Actor], bytes], content_type: str
) -> HttpResponse:
    try:
        data = show(image, actors.of(request))
    except FileNotFoundError as error:
        raise Http404("The image is no longer in storage.") from error
    except OSError:
        sentence = "The image cannot be read from storage now.\n"
        return HttpResponse(sentence, content_type="text/plain", status=503)
    return HttpResponse(data, content_type=content_type, headers=HEADERS)
