from django.db import models


class Environment(models.TextChoices):
    """A Persona environment. An API key opens exactly one, and lists do not cross over."""

    LOCAL = "local", "Local Persona"
    SANDBOX = "sandbox", "Persona Sandbox"
    PRODUCTION = "production", "Persona Production"
    UNNAMED = "unnamed", "Persona"
