"""What every page shows: which Persona it is, and whether our line to it is up."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from importers import connection, progress


def persona(request: HttpRequest) -> dict[str, Any]:
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    return {
        "persona_line": SimpleLazyObject(connection.line),
        "persona_notices": progress.line_notices,  # a fragment asks for neither
    }
