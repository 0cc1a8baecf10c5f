"""What every page shows: which Persona it is, and whether our line to it is up."""

from typing import Any

from django.http import HttpRequest

from importers import connection


def persona(request: HttpRequest) -> dict[str, Any]:
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    return {"persona_environment": connection.environment(), "persona_line": connection.line()}
