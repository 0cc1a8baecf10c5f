"""What is checked at start: settings that would fail later, said now with the remedy."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def persona_key_is_given(**_: Any) -> list[checks.CheckMessage]:
    if settings.PERSONA_API_KEY:
        return []
    return [
        checks.Warning(
            "PERSONA_API_KEY is not set: images go to Local Persona on this machine only.",
            hint="Give the key in PERSONA_API_KEY or PERSONA_API_KEY_FILE.",
            id="consentry.W001",
        )
    ]
