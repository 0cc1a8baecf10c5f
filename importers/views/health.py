"""For whoever runs Consentry: is it alive, and can it do its work?"""

from django.contrib.auth.decorators import login_not_required
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from importers import progress


@login_not_required
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database, the storage and a worker are all there; else 503 and which is not."""
    parts = {"database": True, "storage": True, "worker": False}
    try:
        parts["worker"] = progress.worker_is_seen()
    except DatabaseError:
        parts["database"] = False
    try:
        default_storage.probe()  # type: ignore[attr-defined]  # both of ours have it
    except OSError:
        parts["storage"] = False
    return JsonResponse(parts, status=200 if all(parts.values()) else 503)
