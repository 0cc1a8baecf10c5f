"""System checks: settings that would fail later, reported at the start with the remedy."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.db import DatabaseError

from importers.models.people import demo_accounts


@checks.register(checks.Tags.security, deploy=True)
def persona_key_is_given(**_: Any) -> list[checks.CheckMessage]:
    if settings.PERSONA_API_KEY:
        return []
    return [
        checks.Warning(
            "PERSONA_API_KEY is not set: images go to Local Persona on this machine only.",
            hint="Set PERSONA_API_KEY or PERSONA_API_KEY_FILE.",
            id="consentry.W001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def images_travel_encrypted(**_: Any) -> list[checks.CheckMessage]:
    endpoint = settings.STORAGES["default"].get("OPTIONS", {}).get("endpoint_url", "")
    host = urlsplit(endpoint).hostname
    if not endpoint.startswith("http:") or host in {"127.0.0.1", "localhost", "::1"}:
        return []
    return [
        checks.Warning(
            "The S3 endpoint uses plain HTTP: faces cross the network unencrypted.",
            hint="Use an https address in AWS_ENDPOINT_URL_S3.",
            id="consentry.W002",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def demo_accounts_are_absent(**_: Any) -> list[checks.CheckMessage]:
    if settings.DEBUG:
        return []
    try:
        names = list(demo_accounts().filter(is_active=True).values_list("username", flat=True))
    except DatabaseError:  # not migrated, or unreachable, which /readyz reports
        return []
    if not names:
        return []
    return [
        checks.Warning(
            f"Demo accounts, which share one password, are active: {', '.join(names)}.",
            hint="Deactivate them in Administration, or use a new database.",
            id="consentry.W003",
        )
    ]
