"""The mail server, from EMAIL_HOST. Without one, Consentry sends no mail."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import env

TIMEOUT_SECONDS = 10  # a person is waiting


def mailers() -> dict[str, Any]:
    """Return Django's MAILERS, empty without a server."""
    host = env.text("EMAIL_HOST")
    if not host:
        return {}
    if not env.text("DEFAULT_FROM_EMAIL"):
        raise ImproperlyConfigured(
            "EMAIL_HOST is set, but DEFAULT_FROM_EMAIL is not. Set it to the sender's address."
        )
    user, password = env.text("EMAIL_HOST_USER"), env.text("EMAIL_HOST_PASSWORD")
    if bool(user) != bool(password):
        raise ImproperlyConfigured(
            "EMAIL_HOST_USER and EMAIL_HOST_PASSWORD belong together, but one is not set."
        )
    options = {
        "host": host,
        "port": env.integer("EMAIL_PORT", 587, least=1, most=65535),
        "username": user,
        "password": password,
        "use_tls": env.boolean("EMAIL_USE_TLS", True),
        "timeout": TIMEOUT_SECONDS,
    }
    return {
        "default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}
    }
