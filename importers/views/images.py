"""Faces, for people who may see them; never for a cache."""

from collections.abc import Callable
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from urllib3 import encode_multipart_formdata

from importers.access import actors, lookups
from importers.access.rights import needs
from importers.models import Right
from importers.vault import viewing

# An image opened by itself must not run anything that its bytes may hide.
HEADERS = {"Content-Security-Policy": "sandbox; default-src 'none'"}


@needs(Right.SEE_IMPORTS, Right.SEE_FACES)
@require_safe
def full(request: HttpRequest, key: UUID) -> HttpResponse:
    image, actor = lookups.visible_image(request, key), actors.of(request)
    return _answer(lambda: (viewing.show(image, actor), image.content_type))


@needs(Right.SEE_IMPORTS, Right.SEE_FACES)
@require_safe
def thumbnail(request: HttpRequest, key: UUID) -> HttpResponse:
    image, actor = lookups.visible_image(request, key), actors.of(request)
    return _answer(lambda: (viewing.show_thumbnail(image, actor), "image/jpeg"))


@needs(Right.SEE_IMPORTS, Right.SEE_FACES)
@require_safe
def thumbnails(request: HttpRequest, import_id: int) -> HttpResponse:
    """Answer with a multipart form: the thumbnails of some images of an import, by their keys."""
    face_import = lookups.visible_import(request, import_id)
    images = lookups.faces_of(face_import, request.GET.getlist("key"))

    def form() -> tuple[bytes, str]:
        shown = viewing.show_gallery(face_import, images, actors.of(request))
        fields = {str(image.key): ("face.jpg", data, "image/jpeg") for image, data in shown.items()}
        return encode_multipart_formdata(fields)

    return _answer(form)


def _answer(show: Callable[[], tuple[bytes, str]]) -> HttpResponse:
    """Answer with what `show` returns: the bytes and their content type."""
    try:
        data, content_type = show()
    except FileNotFoundError as error:
        raise Http404("The image is no longer in storage.") from error
    except OSError:
        sentence = "The image cannot be read from storage now.\n"
        return HttpResponse(sentence, content_type="text/plain", status=503)
    return HttpResponse(data, content_type=content_type, headers=HEADERS)
