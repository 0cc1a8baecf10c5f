"""Health probes: is the process alive, and can the system do its work?"""

from django.contrib.auth.decorators import login_not_required
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from importers.models.workers import worker_is_seen


@login_not_required
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 if database, storage and a worker are available, or 503 and what is missing."""
    parts = {"database": True, "storage": True, "worker": False}
    try:
        parts["worker"] = worker_is_seen()
    except DatabaseError:
        parts["database"] = False
    try:
        default_storage.probe()  # type: ignore[attr-defined]  # both of ours have it
    except OSError:
        parts["storage"] = False
    return JsonResponse(parts, status=200 if all(parts.values()) else 503)
