"""The Persona environment that the settings select, and the state of our gateway to it."""

from django.conf import settings

from importers.models import Environment, Gateway


def current() -> Environment:
    """Return the environment of the API key, by its prefix (docs: /api-keys)."""
    if settings.PERSONA_IS_LOCAL:
        return Environment.LOCAL
    if settings.PERSONA_API_KEY.startswith("persona_sandbox_"):
        return Environment.SANDBOX
    if settings.PERSONA_API_KEY.startswith("persona_production_"):
        return Environment.PRODUCTION
    return Environment.UNNAMED


def gateway() -> Gateway:
    """Return the gateway to the current environment as it stands. Reading it writes nothing."""
    environment = current()
    row = Gateway.objects.filter(environment=environment).first()
    return row or Gateway(environment=environment)
